# CAT-Seg on OpenAI's CLIP L/14 at 336 px.
_base_ = './cat_seg.py'
model = dict(
    backbone=dict(
        model='ViT-L-14-336-quickgelu', affinity='maskclip_cls', scale='rsqrt'
    ),
    text_encoder=dict(model='ViT-L-14-336-quickgelu', split_attention=True),
    # OpenAI's features guide with the norm they have.
    decode_head=dict(unit_guidance=False),
    taps=(7, 15),
    input_size=336,
)
