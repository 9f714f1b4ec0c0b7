# DeCLIP with SAM 2.1's Hiera B+ in the place of DINOv2: EVA-02-CLIP B/16.
#
#   bash tools/dist_train.sh configs/declip/pretune_sam2.py 8
#
# The feature is the trunk's level of stride 16; timm has no neck of SAM 2.
#
# Hardware  8 GPUs x 2 images at 1024 px. Memory: not measured on a GPU.
# Figure    none: the paper has no SAM 2.
# Source    DeCLIP, CVPR 2025; SAM 2, arXiv 2408.00714.
_base_ = './pretune_dinov2.py'

model = dict(context_teacher=dict(model='sam2_hiera_base_plus.fb_r896_2pt1'))
train_dataloader = dict(dataset=dict(views=dict(vfm_size=1024)))
