# DeCLIP, recipe `paper`, sharded by PyTorch's FSDP. UNTESTED.
#
#   bash tools/dist_train.sh configs/declip/pretune_dinov2_fsdp.py 8
#
# Built as a config only: nothing here has the GPUs to run it. A B/16 fits on
# one GPU, so this pays for L/14 and larger towers. Frozen parameters beside
# trained ones need use_orig_params.
#
# Hardware  8 GPUs x 2 images at 1024 px. Memory: not measured.
# Figure    as configs/declip/pretune_dinov2.py, if sharding changes nothing.
# Source    mmengine's FSDPStrategy.
_base_ = './pretune_dinov2.py'

runner_type = 'FlexibleRunner'
strategy = dict(
    type='FSDPStrategy',
    model_wrapper=dict(
        type='MMFullyShardedDataParallel', use_orig_params=True
    ),
    state_dict_cfg='full',
)
