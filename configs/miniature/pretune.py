# DeCLIP on the miniature world: 300 steps on two CPU cores.
#
#   python tools/miniature/build_world.py --out data/miniature --vfm
#   python tools/train.py configs/miniature/pretune.py
#
# The full-size recipe at toy size: same runner, distiller, data sets, metrics.
# Four grids a picture ask for 230 crops a step, most of the time of a run:
# tools/misc/cache_teachers.py stores them (the quickstart and the ladder do).
# lr, lambda and grids were chosen on the split tune_known, which no table
# uses; the figures are in docs/miniature.md. The paper's lambda of 0.25 is too
# much for a CLIP that began from scratch.
_base_ = [
    '../_base_/models/declip_tiny.py',
    '../_base_/datasets/miniature.py',
    '../_base_/default_runtime.py',
]
model = dict(
    context_teacher=dict(
        type='VFMCache',
        path='data/miniature/caches/vfm.npy',
        num_images=1000,
        teacher=dict(
            type='VFMTeacher',
            model='vit_small_patch14_dinov2',
            pretrained='data/miniature/vit_s.safetensors',
            layer=9,  # counted from 0: the tenth of twelve blocks
            norm='plain',
        ),
    ),
    content_weight=1.0,
    context_weight=0.05,
)
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='TrainableConstructor',
    optimizer=dict(
        type='AdamW', lr=5e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.1
    ),
    paramwise_cfg=dict(flat_decay_mult=0.0),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.03, by_epoch=False, begin=0, end=30),
    dict(
        type='CosineAnnealingLR',
        T_max=6,
        end=6,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=6, val_interval=6)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(logger=dict(interval=10))
custom_hooks = [
    dict(type='EpochSyncHook'),
    dict(type='VocabularyHook'),
    dict(type='FingerprintHook', recipe='miniature', license='CC0-1.0'),
]
auto_scale_lr = dict(enable=False, base_batch_size=8)
