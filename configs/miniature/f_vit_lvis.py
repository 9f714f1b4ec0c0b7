# F-ViT with masks on the miniature world in OV-LVIS's layout.
#
#   python tools/dataset_converters/miniature_detection.py --out data/miniature
#   python tools/train.py configs/miniature/f_vit_lvis.py
#   python tools/test.py configs/miniature/f_vit_lvis.py \
#       work_dirs/f_vit_lvis/epoch_4.pth
#
# Novel names are rare ('r'), base names common or frequent by turns.
#
# Hardware  two CPU cores.
# Figure    docs/detection.md has what was measured.
_base_ = './f_vit_coco.py'
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    data_preprocessor=dict(pad_mask=True),
    rpn_head=dict(norm_cfg=norm_cfg),
    roi_head=dict(
        bbox_head=dict(loss_cls=dict(background_weight=0.9)),
        mask_roi_extractor=dict(
            type='SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=0),
            out_channels=64,
            featmap_strides=[7, 14, 28],
        ),
        mask_head=dict(
            type='FCNMaskHead',
            num_convs=1,
            in_channels=64,
            conv_out_channels=64,
            num_classes=1,
            class_agnostic=True,
            norm_cfg=norm_cfg,
            loss_mask=dict(type='CrossEntropyLoss', use_mask=True),
        ),
    ),
    train_cfg=dict(
        rcnn=dict(assigner=dict(match_low_quality=True), mask_size=28)
    ),
    test_cfg=dict(
        rcnn=dict(score_thr=1e-4, max_per_img=50, mask_thr_binary=0.5)
    ),
)
train_pipeline = _base_.train_pipeline
train_pipeline[1].with_mask = True
train_dataloader = dict(
    dataset=dict(
        ann_file='detection/lvis/train.json',
        data_prefix=dict(img='train/'),
        pipeline=train_pipeline,
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
    metric=['bbox', 'segm'],
)
test_evaluator = val_evaluator
