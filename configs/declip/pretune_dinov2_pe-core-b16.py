# DeCLIP for PE-Core B/16 with DINOv2 B/14: a form of this package.
#
#   bash tools/dist_train.sh configs/declip/pretune_dinov2_pe-core-b16.py 8
#
# Nobody has published a decoupled PE: SigLIP's rule is applied to its pooling
# head here, and the checkpoint's fingerprint says so.
#
# Hardware  8 GPUs x 2 images at 1024 px. Memory: not measured on a GPU.
# Figure    none: there is no reference.
# Source    this package; PE-Core, arXiv 2504.13181.
_base_ = './pretune_dinov2.py'

clip = dict(model='PE-Core-B-16', pretrained='meta')
model = dict(
    backbone=dict(**clip),
    content_teacher=dict(backbone=dict(**clip)),
    predictor=dict(text_encoder=dict(**clip)),
)
custom_hooks = [
    dict(type='EpochSyncHook'),
    dict(type='VocabularyHook'),
    dict(
        type='FingerprintHook',
        recipe='paper, PE-Core (declip_mm)',
        license='PE weights: Apache-2.0; DINOv2 weights: Apache-2.0',
    ),
]
