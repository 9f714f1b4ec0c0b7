# OV-DQUO on EVA-02-CLIP L/14-336.
_base_ = './ov_dquo_eva02-b16.py'
clip = dict(model='EVA02-L-14-336', pretrained='merged2b_s6b_b61k')
model = dict(
    data_preprocessor=dict(pad_size_divisor=896),
    embedder=dict(text_encoder=clip),
    backbone=dict(out_indices=(10, 14, 23), frozen_stages=24, **clip),
    neck=dict(in_channels=[1024, 1024, 1024]),
)
lvis = dict(data_preprocessor=dict(pad_size_divisor=896))
clipself = dict(
    init_cfg=dict(checkpoint='checkpoints/clipself_eva02-l14-336.pt')
)
declip = dict(init_cfg=dict(checkpoint='checkpoints/declip_eva02-l14-336.pth'))
