# DeCLIP, recipe `paper`, sharded by PyTorch's FSDP.
#
#   bash tools/dist_train.sh configs/declip/pretune_dinov2_fsdp.py 8
#
# Run here in one CPU process with narrow towers; never on GPUs, and never with
# anything to shard. On several CPU processes torch 2.12 dies when it saves. A
# B/16 fits on one GPU, so this pays for L/14 and larger towers. Frozen
# parameters beside trained ones need use_orig_params, and TeacherFSDP keeps
# the teachers out of checkpoints.
#
# Hardware  8 GPUs x 2 images at 1024 px. Memory: not measured.
# Figure    as configs/declip/pretune_dinov2.py, if sharding changes nothing.
# Source    mmengine's FSDPStrategy.
_base_ = './pretune_dinov2.py'

runner_type = 'FlexibleRunner'
strategy = dict(
    type='FSDPStrategy',
    model_wrapper=dict(type='TeacherFSDP', use_orig_params=True),
    state_dict_cfg='full',
)
