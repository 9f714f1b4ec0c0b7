# What the eight sets have in common; a leaf adds type, root and folders.
test_pipeline = [
    dict(type='LoadLabelledImage'),
    dict(type='LoadOVAnnotations'),
    dict(type='PackSegInputs'),
]
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(type='OVSegDataset', texts='field', pipeline=test_pipeline),
)
# Classes that no picture has count as 0 once predicted: mmseg's rule, by
# which all published figures of these eight sets were made.
test_evaluator = dict(type='OVIoUMetric', rule='mmseg')
test_cfg = dict(type='TestLoop')
