# OV-DQUO on the miniature world in OV-COCO's layout: 34 base, 11 novel names.
#
#   python tools/dataset_converters/miniature_detection.py --out data/miniature
#   python tools/train.py configs/miniature/ov_dquo_coco.py
#   python tools/test.py configs/miniature/ov_dquo_coco.py \
#       work_dirs/ov_dquo_coco/epoch_8.pth
#
# The full-size model at toy size: two maps instead of three (no object is
# small here), 64 channels, two encoder and two decoder layers, 60 queries. It
# has no pseudo labels; a file of them (configs/miniature/proposer.py says how)
# goes in with
#   --cfg-options train_dataloader.dataset.pseudo_file=FILE
# tools/miniature/ov_dquo.py compares labels and backbones.
#
# Hardware  two CPU cores.
# Figure    docs/detection.md has what was measured.
_base_ = [
    '../_base_/models/ov_dquo_eva02-b16.py',
    '../_base_/datasets/ov_coco.py',
    '../_base_/det_runtime.py',
]
clip = dict(
    model='declip_mm://miniature/tiny_clip.json',
    pretrained='declip_mm://miniature/tiny_clip.safetensors',
)
size = (168, 168)  # the resolution of the distillation
attention = dict(embed_dims=64)
deformable = dict(embed_dims=64, num_levels=2)
ffn = dict(embed_dims=64, feedforward_channels=256)
model = dict(
    pixel_stats='backbone',
    data_preprocessor=dict(pad_size_divisor=168),
    embedder=dict(text_encoder=dict(**clip), prompts='name', cache_dir=None),
    backbone=dict(
        affinity='qq',
        last_tap='decoupled',
        out_indices=(4, 5),
        frozen_stages=6,
        **clip,
    ),
    neck=dict(in_channels=[192, 192], scales=(1, 0.5), out_channels=64),
    num_feature_levels=2,
    num_queries=60,
    positional_encoding=dict(num_feats=32),
    encoder=dict(
        num_layers=2,
        layer_cfg=dict(self_attn_cfg=deformable, ffn_cfg=ffn),
    ),
    decoder=dict(
        num_layers=2,
        layer_cfg=dict(
            self_attn_cfg=attention, cross_attn_cfg=deformable, ffn_cfg=ffn
        ),
    ),
    bbox_head=dict(embed_dims=64),
    dn_cfg=dict(num_dn_queries=50),
    train_classes=34,
    # A CLIP's cosines are multiplied by 100, this one's by 15 (learned).
    tau_query=15.0,
    tau_vlm=15.0,
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
        type='OpenVocabDetDataset',
        data_root=data_root,
        ann_file='detection/coco/train.json',
        data_prefix=dict(img='train/images/'),
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
val_evaluator = dict(ann_file=data_root + 'detection/coco/val_known.json')
test_evaluator = val_evaluator
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='TrainableConstructor',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4),
    clip_grad=dict(max_norm=0.1, norm_type=2),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(
        type='CosineAnnealingLR',
        T_max=8,
        end=8,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=8, val_interval=8)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
custom_hooks = [
    dict(type='VocabularyHook'),
    dict(type='FingerprintHook', recipe='ov_dquo'),
    dict(type='CheckInvalidLossHook', interval=50),
]
default_hooks = dict(logger=dict(interval=25))
auto_scale_lr = dict(enable=False, base_batch_size=8)
