# The OV-LVIS model, backbone DeCLIP's L/14-336, on Pascal VOC 2007.
#
#   python tools/test.py \
#       configs/ov_dquo/ov-dquo_eva02-l14-336_declip_lvis2voc.py \
#       work_dirs/ov-dquo_eva02-l14-336_declip_ov-lvis/epoch_35.pth
#
# Hardware  one GPU, 896 px. Time: not measured.
# Memory    not published, not measured here on a GPU.
# Figure    none in the papers, none measured here.
# Source    ours, after the transfer of F-ViT.
_base_ = './ov-dquo_eva02-l14-336_declip_lvis2objects365.py'
test_pipeline = _base_.test_pipeline
# VOC's metric takes the truth from the samples
test_pipeline.insert(2, dict(type='LoadAnnotations', with_bbox=True))
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='OVVOCDataset',
        data_root='data/VOCdevkit/',
        ann_file='VOC2007/ImageSets/Main/test.txt',
        data_prefix=dict(sub_data_root='VOC2007/'),
        test_mode=True,
        pipeline=test_pipeline,
    )
)
test_evaluator = dict(
    _delete_=True,
    type='VOCMetric',
    metric='mAP',
    iou_thrs=[0.5, 0.75],
    eval_mode='11points',
)
