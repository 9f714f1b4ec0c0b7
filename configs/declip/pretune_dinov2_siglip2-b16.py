# DeCLIP for SigLIP 2 B/16 with DINOv2 B/14.
#
#   bash tools/dist_train.sh configs/declip/pretune_dinov2_siglip2-b16.py 8
#
# SigLIP has no class token: its pooling head is decoupled. Its text tower
# needs a tokenizer from a model hub, so nothing is validated during training.
#
# Hardware  8 GPUs x 2 images at 1024 px. Memory: not measured on a GPU.
# Figure    none: no DeCLIP of SigLIP was published.
# Source    DeCLIP, CVPR 2025; the authors' code for SigLIP; SigLIP 2, arXiv
#           2502.14786.
_base_ = './pretune_dinov2.py'

clip = dict(model='ViT-B-16-SigLIP2', pretrained='webli')
model = dict(
    backbone=dict(**clip),
    content_teacher=dict(backbone=dict(**clip)),
    predictor=None,
)
train_cfg = dict(val_interval=1000)
val_dataloader = None
val_evaluator = None
val_cfg = None
test_dataloader = None
test_evaluator = None
test_cfg = None
custom_hooks = [
    dict(type='EpochSyncHook'),
    dict(
        type='FingerprintHook',
        recipe='paper, SigLIP',
        license='SigLIP 2 weights: Apache-2.0; DINOv2 weights: Apache-2.0',
    ),
]
