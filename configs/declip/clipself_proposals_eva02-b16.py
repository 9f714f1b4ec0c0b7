# CLIPSelf, region proposals: EVA-02-CLIP B/16.
#
#   bash tools/dist_train.sh configs/declip/clipself_proposals_eva02-b16.py 8
#
# Hardware  8 GPUs x 2 images at 1024 px. Memory: not measured on a GPU.
# Figure    novel AP50 37.6 of F-ViT on OV-COCO by the CLIPSelf paper; not
#           reproduced here.
# Source    CLIPSelf, ICLR 2024, written anew from its description.
_base_ = './clipself_eva02-b16.py'

train_dataloader = dict(
    dataset=dict(
        ann_file='annotations/proposals_train2017.json',
        proposals=True,
        views=dict(crop_scale=1.5),
    )
)
