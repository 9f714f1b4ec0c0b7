# COCO-Stuff 164k as CAT-Seg trains on it: 171 classes, crops of 384. The
# validation is the quick look of the reference: whole pictures, one view.
data_root = 'data/coco_stuff164k'
train_pipeline = [
    dict(type='LoadLabelledImage'),
    dict(type='LoadOVAnnotations'),
    dict(type='ResizeShortestEdge', scale=384, max_size=1333),
    dict(type='RandomCrop', crop_size=(384, 384), cat_max_ratio=1.0),
    dict(type='PhotoMetricDistortion'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
val_pipeline = [
    dict(type='LoadLabelledImage'),
    dict(type='ResizeShortestEdge', scale=384, max_size=1333),
    dict(type='LoadOVAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='OVCOCOStuffDataset',
        data_root=data_root,
        data_prefix=dict(
            img_path='images/train2017', seg_map_path='annotations/train2017'
        ),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='OVCOCOStuffDataset',
        data_root=data_root,
        data_prefix=dict(
            img_path='images/val2017', seg_map_path='annotations/val2017'
        ),
        pipeline=val_pipeline,
    ),
)
val_evaluator = dict(type='OVIoUMetric', rule='detectron2')
test_dataloader = val_dataloader
test_evaluator = val_evaluator
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
