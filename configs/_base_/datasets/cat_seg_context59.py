# PC-59: Pascal Context, 59 names. CAT-Seg reads "diningtable" for "table".
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
        type='OVContext59Dataset',
        data_root='data/VOCdevkit/VOC2010',
        ann_file='ImageSets/SegmentationContext/val.txt',
        data_prefix=dict(
            img_path='JPEGImages', seg_map_path='SegmentationClassContext'
        ),
        texts=dict(table=['diningtable']),
        pipeline=test_pipeline,
    ),
)
test_evaluator = dict(type='OVIoUMetric', absent='exclude')
test_cfg = dict(type='TestLoop')
