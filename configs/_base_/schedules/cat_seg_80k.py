# CAT-Seg: AdamW 2e-4 (both towers 2e-6), cosine over 80k, no warm-up, the
# gradient of the whole model clipped to 0.01.
optim_wrapper = dict(
    type='MixedOptimWrapper',  # bfloat16 where a GPU has it
    constructor='TrainableConstructor',
    optimizer=dict(type='AdamW', lr=2e-4, weight_decay=1e-4),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys={
            'backbone': dict(lr_mult=0.01),
            'text_encoder': dict(lr_mult=0.01),
        },
    ),
    clip_grad=dict(max_norm=0.01),
)
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=80000, end=80000, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=80000, val_interval=5000)
custom_hooks = [
    dict(type='VocabularyHook'),
    dict(type='ZeroShotGateHook', floor=3.0),
    dict(type='FingerprintHook'),
]
# 4 GPUs x 1 image
auto_scale_lr = dict(enable=False, base_batch_size=4)
