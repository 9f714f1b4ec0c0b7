# F-ViT on the miniature world in OV-COCO's layout: 34 base, 11 novel names.
#
#   python tools/dataset_converters/miniature_detection.py --out data/miniature
#   python tools/train.py configs/miniature/f_vit_coco.py
#   python tools/test.py configs/miniature/f_vit_coco.py \
#       work_dirs/f_vit_coco/epoch_4.pth
#
# The full-size model at toy size: three levels instead of four (no object is
# small here), 64 channels, fewer proposals. The backbone is the untrained
# decoupled block; put DeCLIP's weights in its place with
#   --cfg-options model.backbone.pretrained=None \
#       model.backbone.init_cfg.type=Pretrained \
#       model.backbone.init_cfg.checkpoint=declip_tiny.pth \
#       model.backbone.init_cfg.prefix=backbone.
# tools/miniature/f_vit.py compares several.
#
# Hardware  two CPU cores.
# Figure    docs/detection.md has what was measured.
_base_ = [
    '../_base_/models/f_vit_eva02-b16.py',
    '../_base_/datasets/ov_coco.py',
    '../_base_/schedules/f_vit_3e.py',
    '../_base_/det_runtime.py',
]
clip = dict(
    model='declip_mm://miniature/tiny_clip.json',
    pretrained='declip_mm://miniature/tiny_clip.safetensors',
)
size = (168, 168)  # the resolution of the distillation
strides = [7, 14, 28]
norm_cfg = dict(type='SyncBN', requires_grad=True)
proposals = dict(nms_pre=300, max_per_img=100)
model = dict(
    pixel_stats='backbone',
    data_preprocessor=dict(pad_size_divisor=168),
    embedder=dict(
        text_encoder=dict(**clip),
        prompts='name',
        cache_dir=None,
    ),
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
        num_outs=4,
    ),
    rpn_head=dict(
        in_channels=64,
        feat_channels=64,
        anchor_generator=dict(strides=[7, 14, 28, 56], scales=[4]),
    ),
    roi_head=dict(
        # A CLIP's cosines are multiplied by 100, this one's by 15 (learned):
        # the temperatures of the full-size model are scaled alike.
        tau_vlm=10.0,
        bbox_roi_extractor=dict(out_channels=64, featmap_strides=strides),
        vlm_roi_extractor=dict(out_channels=128, featmap_strides=[14]),
        bbox_head=dict(
            num_shared_convs=1,
            num_shared_fcs=1,
            in_channels=64,
            conv_out_channels=64,
            fc_out_channels=128,
            cls_predictor_cfg=dict(tau_det=7.5),
        ),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=64)),
        rpn_proposal=proposals,
        rcnn=dict(sampler=dict(num=32)),
    ),
    test_cfg=dict(rpn=proposals),
)
data_root = 'data/miniature/'
train_pipeline = [
    dict(type='LoadLabelledImage'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=size, keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
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
