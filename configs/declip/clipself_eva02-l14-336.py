# CLIPSelf, image patches: EVA-02-CLIP L/14-336.
#
#   bash tools/dist_train.sh configs/declip/clipself_eva02-l14-336.py 8
#
# Hardware  8 GPUs x 2 images at 896 px. Memory: not measured on a GPU.
# Figure    novel AP50 38.4 of F-ViT on OV-COCO by the CLIPSelf paper; not
#           reproduced here.
# Source    CLIPSelf, ICLR 2024, written anew from its description.
_base_ = './clipself_eva02-b16.py'

clip = dict(model='EVA02-L-14-336', pretrained='merged2b_s6b_b61k')
model = dict(
    backbone=dict(**clip),
    content_teacher=dict(backbone=dict(**clip)),
    predictor=dict(text_encoder=dict(**clip)),
)
train_dataloader = dict(
    dataset=dict(views=dict(image_size=896, crop_size=336))
)
val_dataloader = dict(dataset=dict(image_size=896))
test_dataloader = val_dataloader
custom_hooks = [
    dict(type='EpochSyncHook'),
    dict(type='VocabularyHook'),
    dict(type='WeightEnsembleHook', ensemble_alpha=0.95),
    dict(
        type='FingerprintHook',
        recipe='clipself',
        license='EVA-CLIP weights: MIT',
    ),
]
