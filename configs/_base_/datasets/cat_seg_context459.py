# PC-459: Pascal Context, all 459 names;
# tools/dataset_converters/pascal_context459.py writes maps and names.
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
        type='OVContext459Dataset',
        data_root='data/context459',
        data_prefix=dict(
            img_path='images/validation', seg_map_path='annotations/validation'
        ),
        pipeline=test_pipeline,
    ),
)
test_evaluator = dict(type='OVIoUMetric', absent='exclude')
test_cfg = dict(type='TestLoop')
