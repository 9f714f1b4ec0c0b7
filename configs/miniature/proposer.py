# Proposer of unknown objects on the miniature world, for OV-DQUO.
#
#   python tools/dataset_converters/miniature_detection.py --out data/miniature
#   python tools/dataset_converters/pseudo_labels.py base \
#       configs/miniature/f_vit_coco.py data/miniature/detection/base.json
#   python tools/dataset_converters/pseudo_labels.py rounds \
#       configs/miniature/proposer.py data/miniature/detection/base.json \
#       work_dirs/pseudo_miniature
#   python tools/test.py configs/miniature/proposer.py \
#       work_dirs/pseudo_miniature/round_2/proposer.pth
#
# tools/miniature/ov_dquo.py does the same for several backbones.
#
# Hardware  two CPU cores.
# Figure    docs/detection.md has what was measured.
_base_ = [
    '../_base_/models/object_proposer_eva02-b16.py',
    '../_base_/datasets/ov_coco.py',
    '../_base_/schedules/object_proposer_8e.py',
    '../_base_/det_runtime.py',
]
clip = dict(
    model='declip_mm://miniature/tiny_clip.json',
    pretrained='declip_mm://miniature/tiny_clip.safetensors',
)
size = (168, 168)  # the resolution of the distillation
strides = [7, 14, 28]
proposals = dict(nms_pre=300, max_per_img=100)
model = dict(
    data_preprocessor=dict(pad_size_divisor=168),
    backbone=dict(
        affinity='qq',
        last_tap='decoupled',
        out_indices=(2, 4, 5),
        frozen_stages=6,
        **clip,
    ),
    neck=dict(
        in_channels=[192, 192, 192],
        scales=(2, 1, 0.5),
        out_channels=64,
        num_outs=3,
    ),
    rpn_head=dict(
        in_channels=64,
        feat_channels=64,
        anchor_generator=dict(strides=strides, scales=[4]),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64, featmap_strides=strides),
        bbox_head=dict(in_channels=64, fc_out_channels=256),
    ),
    train_cfg=dict(
        rpn_proposal=proposals,
        rcnn=dict(sampler=dict(num=64)),
    ),
    test_cfg=dict(rpn=proposals, rcnn=dict(max_per_img=50)),
)
data_root = 'data/miniature/'
train_pipeline = [
    dict(type='LoadLabelledImage'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=size, keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackOVDetInputs'),
]
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = size
train_dataloader = dict(
    num_workers=1,
    dataset=dict(
        type='BaseOnlyDetDataset',
        data_root='',
        ann_file=data_root + 'detection/base.json',
        data_prefix=dict(img=data_root + 'train/images/'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(
        type='OpenVocabDetDataset',
        data_root=data_root,
        ann_file='detection/coco/val_known.json',
        data_prefix=dict(img='val_known/images/'),
        skip_unlabelled=False,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    _delete_=True,
    type='ObjectRecall',
    ann_file=data_root + 'detection/coco/val_known.json',
)
test_evaluator = val_evaluator
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    constructor='TrainableConstructor',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.1),
    clip_grad=dict(max_norm=1.0, norm_type=2),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(
        type='CosineAnnealingLR',
        T_max=4,
        end=4,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(max_epochs=4, val_interval=4)
default_hooks = dict(logger=dict(interval=25))
auto_scale_lr = dict(enable=False, base_batch_size=8)
