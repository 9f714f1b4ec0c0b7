# ADE20K validation, all 847 names; tools/dataset_converters/ade847.py
# writes maps of 16 bits and the names, of which the first synonym is read.
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeShortestEdge', scale=640, max_size=2560),
    # after the resizing: labels keep the size of the picture
    dict(type='LoadOVAnnotations'),
    dict(type='PackSegInputs'),
]
test_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='OVADE847Dataset',
        data_root='data/ade847',
        data_prefix=dict(
            img_path='images/validation', seg_map_path='annotations/validation'
        ),
        pipeline=test_pipeline,
    ),
)
test_evaluator = dict(type='OVIoUMetric', absent='exclude')
test_cfg = dict(type='TestLoop')
