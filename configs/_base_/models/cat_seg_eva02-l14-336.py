# CAT-Seg on EVA-02-CLIP L/14 at 336 px.
_base_ = './cat_seg.py'
model = dict(
    backbone=dict(model='EVA02-L-14-336', affinity='csa', scale=1.0),
    text_encoder=dict(model='EVA02-L-14-336'),
    taps=(7, 15),
    input_size=336,
)
