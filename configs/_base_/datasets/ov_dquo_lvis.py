# OV-LVIS for OV-DQUO at 1024 px; boxes alone.
_base_ = './ov_lvis.py'
side = (1024, 1024)
short_sides = [(400, 4200), (500, 4200), (600, 4200)]
whole = [dict(type='Resize', scale=side, keep_ratio=True)]
a_part = [
    dict(type='RandomChoiceResize', scales=short_sides, keep_ratio=True),
    dict(
        type='RandomCrop',
        crop_type='absolute_range',
        crop_size=(384, 600),
        recompute_bbox=True,
        allow_negative_crop=True,
    ),
    dict(type='Resize', scale=side, keep_ratio=True),
]
train_pipeline = [
    dict(type='LoadLabelledImage'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomChoice', transforms=[whole, a_part]),
    dict(type='FilterAnnotations', min_gt_bbox_wh=(1e-2, 1e-2)),
    dict(type='PackOVDetInputs'),
]
train_dataloader = dict(
    batch_size=4,
    # 0.001 in the authors' configs, 1 in what their code makes of it
    sampler=dict(_delete_=True, type='RepeatFactorSampler', repeat_thr=1.0),
    # padding makes one size of all
    batch_sampler=None,
    dataset=dict(pipeline=train_pipeline),
)
val_evaluator = dict(metric='bbox')
test_evaluator = val_evaluator
