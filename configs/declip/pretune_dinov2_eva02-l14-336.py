# DeCLIP, recipe `paper`: EVA-02-CLIP L/14-336 with DINOv2 L/14.
#
#   bash tools/dist_train.sh configs/declip/pretune_dinov2_eva02-l14-336.py 8
#
# Hardware  8 GPUs x 2 images at 896 px (64 x 64 tokens of 14 px). Memory: not
#           measured on a GPU.
# Figure    none published as a number for this model's regions.
# Source    DeCLIP, CVPR 2025, section 9.2 of the supplement.
_base_ = './pretune_dinov2.py'

clip = dict(model='EVA02-L-14-336', pretrained='merged2b_s6b_b61k')
model = dict(
    backbone=dict(**clip),
    content_teacher=dict(backbone=dict(**clip)),
    context_teacher=dict(model='vit_large_patch14_dinov2.lvd142m'),
    predictor=dict(text_encoder=dict(**clip)),
)
train_dataloader = dict(
    dataset=dict(views=dict(image_size=896, crop_size=336, vfm_size=896))
)
val_dataloader = dict(dataset=dict(image_size=896))
test_dataloader = val_dataloader
