# F-ViT on EVA-02-CLIP L/14-336.
_base_ = './f_vit_eva02-b16.py'
clip = dict(model='EVA02-L-14-336', pretrained='merged2b_s6b_b61k')
box_strides = [3.5, 7, 14, 28]
model = dict(
    data_preprocessor=dict(pad_size_divisor=896),
    embedder=dict(text_encoder=clip),
    backbone=dict(out_indices=(6, 10, 14, 23), frozen_stages=24, **clip),
    neck=dict(in_channels=[1024, 1024, 1024, 1024]),
    rpn_head=dict(anchor_generator=dict(strides=[3.5, 7, 14, 28, 56])),
    roi_head=dict(
        bbox_roi_extractor=dict(featmap_strides=box_strides),
        vlm_roi_extractor=dict(out_channels=768, featmap_strides=[14]),
        bbox_head=dict(fc_out_channels=768),
    ),
)
lvis = dict(
    data_preprocessor=dict(pad_size_divisor=896),
    roi_head=dict(
        # CLIPSelf's authors note that 0.6 to 0.8 raises APr clearly
        fusion_beta=0.4,
        mask_roi_extractor=dict(featmap_strides=box_strides),
    ),
)
clipself = dict(
    init_cfg=dict(checkpoint='checkpoints/clipself_eva02-l14-336.pt')
)
declip = dict(init_cfg=dict(checkpoint='checkpoints/declip_eva02-l14-336.pth'))
