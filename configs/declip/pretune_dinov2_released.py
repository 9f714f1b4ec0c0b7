# DeCLIP, recipe `released`: what the authors' scripts do in effect.
#
#   python tools/train.py configs/declip/pretune_dinov2_released.py
#
# Their trainer never synchronises gradients: each of four ranks trains its
# own copy on its quarter of COCO, and rank 0's is saved. That is one GPU with
# batch 4 and six passes over a quarter of the images, 44.4 k iterations.
#
# Hardware  1 GPU, 4 images at 560 px. Memory: about 10 GB reported by a user
#           with the authors' code; not measured here.
# Figure    mAcc of things / stuff 77.2 / 52.5 by the paper's Table 7 (Q), for
#           the paper's recipe; none is published for this one.
# Source    The authors' training scripts.
_base_ = './pretune_dinov2.py'

model = dict(
    backbone=dict(affinity='qq', scale=1.0),
    context_teacher=dict(model='vit_base_patch14_reg4_dinov2.lvd142m'),
    context_weight=0.1,
    mask_padding=False,
)
train_dataloader = dict(
    batch_size=4,
    sampler=dict(type='PartialSampler', parts=4),
    dataset=dict(views=dict(image_size=560, vfm_size=490)),
)
val_dataloader = dict(dataset=dict(image_size=560))
test_dataloader = val_dataloader
custom_hooks = [
    dict(type='EpochSyncHook'),
    dict(type='VocabularyHook'),
    dict(type='WeightEnsembleHook', ensemble_alpha=0.7),
    dict(
        type='FingerprintHook',
        recipe='released',
        license='EVA-CLIP weights: MIT; DINOv2 weights: Apache-2.0',
    ),
]
optim_wrapper = dict(dtype='float16')  # as their scripts; a CPU: float32
auto_scale_lr = dict(base_batch_size=4)
