# DeCLIP, recipe `paper`: EVA-02-CLIP B/16 with DINOv2 B/14.
#
#   bash tools/dist_train.sh configs/declip/pretune_dinov2.py 8
#   python tools/train.py configs/declip/pretune_dinov2.py --auto-scale-lr
#
# Hardware  8 GPUs x 2 images at 1024 px (paper: 8 x RTX 4090, about 44 min an
#           epoch). Memory at 1024 px: not published, not measured here.
# Figure    mAcc of things / stuff 77.3 / 53.8 by the paper's Table 7 (Q+K, at
#           1024 px); not reproduced here.
# Source    DeCLIP, CVPR 2025, section 9.2 of the supplement.
_base_ = [
    '../_base_/models/declip_eva02_b16.py',
    '../_base_/datasets/coco_images.py',
    '../_base_/datasets/coco_panoptic_regions.py',
    '../_base_/schedules/adamw_6e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    context_teacher=dict(
        type='VFMTeacher',
        model='vit_base_patch14_dinov2.lvd142m',
        pretrained=True,
    ),
    content_weight=1.0,
    context_weight=0.25,
)
custom_hooks = [
    dict(type='EpochSyncHook'),
    dict(type='VocabularyHook'),
    dict(
        type='FingerprintHook',
        recipe='paper',
        license='EVA-CLIP weights: MIT; DINOv2 weights: Apache-2.0',
    ),
]
