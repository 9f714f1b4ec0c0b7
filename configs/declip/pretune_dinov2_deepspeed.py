# DeCLIP, recipe `paper`, with DeepSpeed's ZeRO stage 1. UNTESTED.
#
#   pip install deepspeed
#   bash tools/dist_train.sh configs/declip/pretune_dinov2_deepspeed.py 8
#
# Built as a config only: DeepSpeed is not installed here and there is no GPU
# to run it.
#
# Hardware  8 GPUs x 2 images at 1024 px. Memory: not measured.
# Figure    as configs/declip/pretune_dinov2.py, if sharding changes nothing.
# Source    mmengine's DeepSpeedStrategy.
_base_ = './pretune_dinov2.py'

runner_type = 'FlexibleRunner'
strategy = dict(
    type='DeepSpeedStrategy',
    bf16=dict(enabled=True),
    zero_optimization=dict(stage=1),
    exclude_frozen_parameters=False,
)
optim_wrapper = dict(type='DeepSpeedOptimWrapper')
