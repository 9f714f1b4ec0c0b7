# What CAT-Seg's six zero-shot sets have in common; a leaf adds type, root and
# folders.
test_pipeline = [
    dict(type='LoadLabelledImage'),
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
    dataset=dict(type='OVSegDataset', pipeline=test_pipeline),
)
test_evaluator = dict(type='OVIoUMetric', rule='detectron2')
test_cfg = dict(type='TestLoop')
