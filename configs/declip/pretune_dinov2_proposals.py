# DeCLIP with boxes of a proposal file in the place of grid cells.
#
#   bash tools/dist_train.sh configs/declip/pretune_dinov2_proposals.py 8
#
# The file is a COCO json whose class ids are ignored; boxes of 8^2 to 1024^2
# px, at most 20 a picture. The crop is the box enlarged 1.5 times.
#
# Hardware  8 GPUs x 2 images at 1024 px. Memory: not measured on a GPU.
# Figure    none published as a number for this variant's regions.
# Source    DeCLIP's and CLIPSelf's training scripts.
_base_ = './pretune_dinov2.py'

train_dataloader = dict(
    dataset=dict(
        ann_file='annotations/proposals_train2017.json',
        proposals=True,
        views=dict(crop_scale=1.5),
    )
)
