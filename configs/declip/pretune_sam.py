# DeCLIP with SAM B in the place of DINOv2: EVA-02-CLIP B/16.
#
#   bash tools/dist_train.sh configs/declip/pretune_sam.py 8
#
# The feature is the output of SAM's neck. At other sizes than its own 1024 px
# its position tables are resized.
#
# Hardware  8 GPUs x 2 images at 1024 px. Memory: not measured on a GPU.
# Figure    mAcc of things / stuff 75.0 / 51.8 by the paper's Table 6 (560 px;
#           SAM L 76.8 / 52.6); not reproduced here.
# Source    DeCLIP, CVPR 2025; Segment Anything, ICCV 2023.
_base_ = './pretune_dinov2.py'

model = dict(context_teacher=dict(model='samvit_base_patch16.sa1b'))
train_dataloader = dict(dataset=dict(views=dict(vfm_size=1024)))
