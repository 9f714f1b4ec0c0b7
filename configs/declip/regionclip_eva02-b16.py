# RegionCLIP's pseudo-labels on the same distiller: EVA-02-CLIP B/16.
#
#   bash tools/dist_train.sh configs/declip/regionclip_eva02-b16.py 8
#
# The json has boxes, each with one of its categories, the nouns. Only pictures
# with boxes are shown, the first 20 of each. No crop is looked at: regions
# are compared with the nouns' text embeddings.
#
# Hardware  8 GPUs x 2 images at 1024 px. Memory: not measured on a GPU.
# Figure    novel AP50 34.4 of F-ViT on OV-COCO by the CLIPSelf paper, with
#           4764 nouns; not reproduced here.
# Source    RegionCLIP, CVPR 2022, as the CLIPSelf paper compares with it.
_base_ = './clipself_eva02-b16.py'

model = dict(
    content_teacher=dict(
        _delete_=True,
        type='NounTeacher',
        text_encoder=dict(
            type='DeCLIPTextEncoder',
            model='EVA02-B-16',
            pretrained='merged2b_s8b_b131k',
        ),
        prompts='vild',
        columns=100,
    ),
    region_loss=dict(type='RegionNounLoss', logit_scale=100.0),
)
train_dataloader = dict(
    dataset=dict(
        type='DeCLIPNounDataset',
        ann_file='annotations/pseudo_nouns_train2017.json',
        views=dict(type='NounViews', crop_size=None),
    )
)
custom_hooks = [
    dict(type='EpochSyncHook'),
    dict(type='NounHook'),
    dict(type='VocabularyHook'),
    dict(type='WeightEnsembleHook', ensemble_alpha=0.7),
    dict(
        type='FingerprintHook',
        recipe='regionclip',
        license='EVA-CLIP weights: MIT',
    ),
]
