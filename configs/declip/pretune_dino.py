# DeCLIP with DINO B/8 in the place of DINOv2: EVA-02-CLIP B/16.
#
#   bash tools/dist_train.sh configs/declip/pretune_dino.py 8
#
# The VFM sees 512 px: patch 8 then gives the student's 64 x 64 tokens.
#
# Hardware  8 GPUs x 2 images at 1024 px. Memory: not measured on a GPU.
# Figure    mAcc of things / stuff 68.4 / 49.4 by the paper's Table 6 (560 px;
#           B/16 67.6 / 47.4); not reproduced here.
# Source    DeCLIP, CVPR 2025; DINO, ICCV 2021.
_base_ = './pretune_dinov2.py'

model = dict(context_teacher=dict(model='vit_base_patch8_224.dino'))
train_dataloader = dict(dataset=dict(views=dict(vfm_size=512)))
