# DeCLIP, supplement 9.2: AdamW 1e-5, 1000 iterations of warm-up, cosine to 0.
optim_wrapper = dict(
    type='MixedOptimWrapper',  # bfloat16 where a GPU has it
    constructor='TrainableConstructor',
    optimizer=dict(
        type='AdamW', lr=1e-5, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.1
    ),
    paramwise_cfg=dict(flat_decay_mult=0.0),  # none for norms and biases
)
# The two overlap: over the first 1000 of 44 k iterations the cosine is 1 to
# within 0.2 %, and in epochs it needs no iteration count in the config.
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=1000
    ),
    dict(
        type='CosineAnnealingLR',
        T_max=6,
        end=6,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=6, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# 8 GPUs x 2 images; --auto-scale-lr adapts the rate to other batches.
auto_scale_lr = dict(enable=False, base_batch_size=16)
