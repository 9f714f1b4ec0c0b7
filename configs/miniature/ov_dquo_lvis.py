# OV-DQUO on the miniature world in OV-LVIS's layout.
#
#   python tools/dataset_converters/miniature_detection.py --out data/miniature
#   python tools/train.py configs/miniature/ov_dquo_lvis.py
#   python tools/test.py configs/miniature/ov_dquo_lvis.py \
#       work_dirs/ov_dquo_lvis/epoch_8.pth
#
# Novel names are rare ('r'), base names common or frequent by turns. A step
# has 40 texts, novel names among them, as OV-LVIS's 100 of 1,203.
#
# Hardware  two CPU cores.
# Figure    docs/detection.md has what was measured.
_base_ = './ov_dquo_coco.py'
model = dict(
    train_classes=40, novel_names=True, test_cfg=dict(max_per_img=300)
)
train_dataloader = dict(
    dataset=dict(
        ann_file='detection/lvis/train.json', data_prefix=dict(img='train/')
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file='detection/lvis/val_known.json',
        data_prefix=dict(img='val_known/'),
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(
    _delete_=True,
    type='FasterLVISMetric',
    ann_file='data/miniature/detection/lvis/val_known.json',
    metric='bbox',
)
test_evaluator = val_evaluator
