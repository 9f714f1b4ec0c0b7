# DeCLIP with DINOv3 B/16 in the place of DINOv2: EVA-02-CLIP B/16.
#
#   bash tools/dist_train.sh configs/declip/pretune_dinov3.py 8
#
# DINOv3's weights are under Meta's DINOv3 license, not a free one.
#
# Hardware  8 GPUs x 2 images at 1024 px. Memory: not measured on a GPU.
# Figure    none: DINOv3 is younger than the paper.
# Source    DeCLIP, CVPR 2025; DINOv3, arXiv 2508.10104.
_base_ = './pretune_dinov2.py'

model = dict(context_teacher=dict(model='vit_base_patch16_dinov3.lvd1689m'))
train_dataloader = dict(dataset=dict(views=dict(vfm_size=1024)))
custom_hooks = [
    dict(type='EpochSyncHook'),
    dict(type='VocabularyHook'),
    dict(
        type='FingerprintHook',
        recipe='paper',
        license='EVA-CLIP weights: MIT; DINOv3 weights: DINOv3 License',
    ),
]
