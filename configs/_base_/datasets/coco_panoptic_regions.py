# COCO panoptic val2017, 133 names, for region classification (Fig. 2a).
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='DeCLIPRegionDataset',
        data_root='data/coco',
        ann_file='annotations/panoptic_val2017.json',
        panoptic_dir='annotations/panoptic_val2017',
        img_dir='val2017',
        image_size=1024,
    ),
)
val_evaluator = dict(type='RegionClassificationMetric')
test_dataloader = val_dataloader
test_evaluator = val_evaluator
