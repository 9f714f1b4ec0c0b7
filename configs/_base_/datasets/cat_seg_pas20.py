# PAS-20: Pascal VOC 2012, 20 names as VOC writes them; background is ignored.
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
        type='OVVOC20Dataset',
        data_root='data/VOCdevkit/VOC2012',
        ann_file='ImageSets/Segmentation/val.txt',
        data_prefix=dict(
            img_path='JPEGImages', seg_map_path='SegmentationClass'
        ),
        texts=dict(
            diningtable=['diningtable'],
            pottedplant=['pottedplant'],
            tvmonitor=['tvmonitor'],
        ),
        pipeline=test_pipeline,
    ),
)
test_evaluator = dict(type='OVIoUMetric', absent='exclude')
test_cfg = dict(type='TestLoop')
