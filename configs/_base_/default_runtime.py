# One base for every config; the only place that imports the package.
custom_imports = dict(imports=['declip_mm'], allow_failed_imports=False)
default_scope = 'mmengine'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    guard=dict(type='RunGuardHook'),
    damaged=dict(type='DamagedImagesHook'),
    data_time=dict(type='DataTimeHook'),
)

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)

# Curves in TensorBoard, where that package is installed:
#   --cfg-options visualizer.vis_backends.0.type=TensorboardVisBackend
# To keep the local files beside them, list both here or in a config.
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='Visualizer', vis_backends=vis_backends)
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True)
log_level = 'INFO'
load_from = None
resume = False

# Every draw of the data pipeline is a function of this seed, the epoch and
# the image, so a resumed run repeats what the interrupted one would have done.
randomness = dict(seed=0)
