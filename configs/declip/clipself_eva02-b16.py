# CLIPSelf, image patches: EVA-02-CLIP B/16.
#
#   bash tools/dist_train.sh configs/declip/clipself_eva02-b16.py 8
#
# The distiller without its context branch, on the values of the last block.
#
# Hardware  8 GPUs x 2 images at 1024 px. Memory: not measured on a GPU.
# Figure    novel AP50 33.6 of F-ViT on OV-COCO by the CLIPSelf paper; not
#           reproduced here.
# Source    CLIPSelf, ICLR 2024, written anew from its description.
_base_ = './pretune_dinov2.py'

model = dict(
    backbone=dict(affinity='maskclip'),
    context_teacher=None,
    normalize_content=True,
)
train_dataloader = dict(dataset=dict(views=dict(vfm_size=None)))
custom_hooks = [
    dict(type='EpochSyncHook'),
    dict(type='VocabularyHook'),
    dict(type='WeightEnsembleHook', ensemble_alpha=0.7),
    dict(
        type='FingerprintHook',
        recipe='clipself',
        license='EVA-CLIP weights: MIT',
    ),
]
