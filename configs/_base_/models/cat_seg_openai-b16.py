# CAT-Seg on OpenAI's CLIP B/16.
_base_ = './cat_seg.py'
model = dict(
    backbone=dict(
        model='ViT-B-16-quickgelu', affinity='maskclip_cls', scale='rsqrt'
    ),
    text_encoder=dict(model='ViT-B-16-quickgelu', split_attention=True),
    # OpenAI's features guide with the norm they have.
    decode_head=dict(unit_guidance=False),
    taps=(3, 7),
)
