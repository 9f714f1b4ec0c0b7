# The miniature world: scenes of public-domain drawings with exact masks.
# python tools/miniature/build_world.py --out data/miniature --vfm
data_root = 'data/miniature/'
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='DeCLIPImageDataset',
        data_root=data_root,
        img_dir='train/images',
        indices=400,  # six epochs of 50 steps
        views=dict(
            type='DeCLIPViews',
            image_size=168,
            crop_size=84,
            vfm_size=168,
            max_split=4,  # dense scenes, small pictures: the paper has 6
            max_boxes=16,
            grids=4,  # the schedule is short: the paper draws one a picture
        ),
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='DeCLIPRegionDataset',
        data_root=data_root,
        ann_file='val_known/annotations.json',
        img_dir='val_known/images',
        seg_dir='val_known/semantic',
        image_size=168,
    ),
)
val_evaluator = [
    dict(type='RegionClassificationMetric'),
    dict(type='DenseIoUMetric'),
]
test_dataloader = val_dataloader
test_evaluator = val_evaluator
