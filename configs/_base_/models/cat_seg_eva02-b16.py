# CAT-Seg on EVA-02-CLIP B/16.
_base_ = './cat_seg.py'
model = dict(
    backbone=dict(model='EVA02-B-16', affinity='csa', scale=1.0),
    text_encoder=dict(model='EVA02-B-16'),
    taps=(3, 7),
)
