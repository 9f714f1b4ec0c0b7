# OV-DQUO on OV-COCO: AdamW at one rate, no warm-up; the mean of weights over
# some 25,000 steps is measured, from epoch 20 on.
optim_wrapper = dict(
    type='MixedOptimWrapper',  # bfloat16 where a GPU has it
    constructor='TrainableConstructor',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-4),
    # the deconvolution counts as backbone
    paramwise_cfg=dict(custom_keys={'neck.adapters': dict(lr_mult=0.1)}),
    clip_grad=dict(max_norm=0.1, norm_type=2),
)
param_scheduler = []
train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=30, val_begin=20, val_interval=1
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
custom_hooks = [
    dict(
        type='EMAHook',
        ema_type='ExponentialMovingAverage',
        momentum=4e-5,  # decay 0.99996
        update_buffers=True,
    ),
    dict(type='VocabularyHook'),
    dict(type='FingerprintHook', recipe='ov_dquo'),
    dict(type='CheckInvalidLossHook', interval=50),
]
# 8 GPUs x 4 images
auto_scale_lr = dict(enable=False, base_batch_size=32)
