# CAT-Seg on the miniature world: 34 base names in training, 45 in the test.
#
#   python tools/miniature/cat_seg.py --seeds 3 --out cat_seg.json
#   python tools/train.py configs/cat_seg/miniature.py
#
# Training data are in COCO-Stuff's layout and hold labels of base names
# alone; test data are in ADE20K's, where 0 is unlabelled. The head is small,
# a step takes a second on one core.
#
# Hardware  one CPU core.
# Figure    docs/cat_seg.md has what was measured.
# Source    CAT-Seg, CVPR 2024, on a tiny CLIP.
_base_ = ['../_base_/models/cat_seg.py', '../_base_/cat_seg_runtime.py']
base_classes = (
    'apple',
    'balloon',
    'bear',
    'bird',
    'box',
    'butterfly',
    'cake',
    'candy',
    'car',
    'cat',
    'computer',
    'cup',
    'dinosaur',
    'elephant',
    'fish',
    'flower',
    'hat',
    'heart',
    'horse',
    'ice cream',
    'ladybug',
    'lemon',
    'lizard',
    'magnifying glass',
    'mouse',
    'musical note',
    'padlock',
    'pear',
    'plane',
    'printer',
    'smiley',
    'tiger',
    'trash can',
    'tree',
)
# A novel name is in no training label; the split is that of F-ViT.
novel_classes = (
    'ball',
    'book',
    'camera',
    'clock',
    'dog',
    'gift',
    'house',
    'light bulb',
    'mouth',
    'penguin',
    'telephone',
)
classes = (
    'apple',
    'ball',
    'balloon',
    'bear',
    'bird',
    'book',
    'box',
    'butterfly',
    'cake',
    'camera',
    'candy',
    'car',
    'cat',
    'clock',
    'computer',
    'cup',
    'dinosaur',
    'dog',
    'elephant',
    'fish',
    'flower',
    'gift',
    'hat',
    'heart',
    'horse',
    'house',
    'ice cream',
    'ladybug',
    'lemon',
    'light bulb',
    'lizard',
    'magnifying glass',
    'mouse',
    'mouth',
    'musical note',
    'padlock',
    'pear',
    'penguin',
    'plane',
    'printer',
    'smiley',
    'telephone',
    'tiger',
    'trash can',
    'tree',
)
clip = dict(
    model='declip_mm://miniature/tiny_clip.json',
    pretrained='declip_mm://miniature/tiny_clip.safetensors',
)
model = dict(
    data_preprocessor=dict(size=(168, 168)),
    backbone=dict(affinity='qq', scale='rsqrt', **clip),
    text_encoder=dict(split_attention=True, **clip),
    decode_head=dict(
        dim=32,
        guidance_dim=32,
        tap_dims=(32, 16),
        decoder_dims=(16, 16),
        decoder_guidance_dims=(8, 8),
        window=6,
        max_classes=64,
    ),
    taps=(1, 3),
    templates='{}',
    test_cfg=dict(size=(280, 280), crop=168, stride=112),
)
data_root = 'data/miniature_cat_seg/'
train_pipeline = [
    dict(type='LoadLabelledImage'),
    dict(type='LoadOVAnnotations'),
    dict(type='ResizeShortestEdge', scale=192, max_size=640),
    dict(type='RandomCrop', crop_size=(168, 168), cat_max_ratio=1.0),
    dict(type='PhotoMetricDistortion'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadLabelledImage'),
    dict(type='LoadOVAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='OVSegDataset',
        metainfo=dict(classes=base_classes),
        data_root=f'{data_root}coco_stuff164k',
        data_prefix=dict(
            img_path='images/train2017', seg_map_path='annotations/train2017'
        ),
        seg_map_suffix='_labelTrainIds.png',
        pipeline=train_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='OVSegDataset',
        metainfo=dict(classes=classes),
        reduce_zero_label=True,
        data_root=f'{data_root}ade/ADEChallengeData2016',
        data_prefix=dict(
            img_path='images/validation', seg_map_path='annotations/validation'
        ),
        pipeline=test_pipeline,
    ),
)
test_evaluator = dict(
    type='DenseIoUMetric',
    subsets=dict(base=base_classes, novel=novel_classes),
)
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='TrainableConstructor',
    optimizer=dict(type='AdamW', lr=3e-3, weight_decay=1e-4),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys={
            'backbone': dict(lr_mult=0.01),
            'text_encoder': dict(lr_mult=0.01),
        },
    ),
    clip_grad=dict(max_norm=0.01),
)
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=300, end=300, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=300)
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    logger=dict(interval=25),
    checkpoint=dict(interval=300, save_optimizer=False),
)
custom_hooks = [
    dict(type='VocabularyHook'),
    dict(type='ZeroShotGateHook', floor=3.0),
    dict(type='FingerprintHook', license='CC0-1.0'),
]
