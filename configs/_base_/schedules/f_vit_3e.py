# F-ViT on OV-COCO: three epochs at one rate. CLIPSelf's authors find epoch 2
# best as a rule; later ones lean towards base classes.
optim_wrapper = dict(
    type='MixedOptimWrapper',  # bfloat16 where a GPU has it
    constructor='TrainableConstructor',
    optimizer=dict(
        type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.1
    ),
    clip_grad=dict(max_norm=1.0, norm_type=2),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=250)
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
custom_hooks = [
    dict(type='VocabularyHook'),
    dict(type='FingerprintHook', recipe='f_vit'),
    dict(type='CheckInvalidLossHook', interval=50),
]
auto_scale_lr = dict(enable=True, base_batch_size=64)
