# DeCLIP, recipe `paper`: OpenAI's CLIP B/16 with DINOv2 B/14.
#
#   bash tools/dist_train.sh configs/declip/pretune_dinov2_openai-b16.py 8
#
# As in the authors' path for OpenAI's CLIP, every location is L2-normalised
# before RoIAlign.
#
# Hardware  8 GPUs x 2 images at 1024 px. Memory: not measured on a GPU.
# Figure    mAcc of things / stuff 65.0 / 38.8 by the paper's Table 12 (560
#           px); not reproduced here.
# Source    DeCLIP, CVPR 2025, Table 12.
_base_ = './pretune_dinov2.py'

clip = dict(model='ViT-B-16', pretrained='openai')
model = dict(
    backbone=dict(**clip),
    content_teacher=dict(backbone=dict(**clip)),
    normalize_content=True,
    predictor=dict(text_encoder=dict(**clip)),
)
custom_hooks = [
    dict(type='EpochSyncHook'),
    dict(type='VocabularyHook'),
    dict(
        type='FingerprintHook',
        recipe='paper',
        license='OpenAI CLIP weights: MIT; DINOv2 weights: Apache-2.0',
    ),
]
