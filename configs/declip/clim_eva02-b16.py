# CLIM's mosaics on the same distiller: EVA-02-CLIP B/16.
#
#   bash tools/dist_train.sh configs/declip/clim_eva02-b16.py 4
#
# Cells of 2 x 2, 3 x 3 and 4 x 4 mosaics against the captions of their
# pictures. The original mixes in single pictures (12 of 128), this does not,
# and it was made for OpenAI's CLIP.
#
# Hardware  4 GPUs x 3 mosaics (29 pictures) at 1024 px. Memory: not measured
#           on a GPU.
# Figure    none for EVA-02.
# Source    CLIM, AAAI 2024, written anew from its description.
_base_ = './clipself_eva02-b16.py'

model = dict(
    backbone=dict(frozen_stages=6),
    content_teacher=dict(
        _delete_=True,
        type='CaptionTeacher',
        text_encoder=dict(
            type='DeCLIPTextEncoder',
            model='EVA02-B-16',
            pretrained='merged2b_s8b_b131k',
        ),
    ),
    region_loss=dict(type='RegionContrastLoss', logit_scale=100.0),
)
train_dataloader = dict(
    batch_size=3,
    dataset=dict(
        _delete_=True,
        type='DeCLIPMosaicDataset',
        data_root='data/coco',
        img_dir='train2017',
        ann_file='annotations/captions_train2017.json',
        image_size=1024,
    ),
)
train_cfg = dict(max_epochs=100, val_interval=10)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=1000
    ),
    dict(
        type='CosineAnnealingLR',
        T_max=100,
        end=100,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
custom_hooks = [
    dict(type='EpochSyncHook'),
    dict(type='VocabularyHook'),
    dict(type='WeightEnsembleHook', ensemble_alpha=0.7),
    dict(
        type='FingerprintHook',
        recipe='clim',
        license='EVA-CLIP weights: MIT',
    ),
]
auto_scale_lr = dict(base_batch_size=12)
