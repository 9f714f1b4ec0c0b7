# SCLIP (csa with residual and FFN) on EVA-02 B/16.
#
#   python tools/dense_seg_benchmarks.py \
#       configs/dense_seg/methods/sclip_eva02-b16.py none
#
# runs the eight sets of configs/dense_seg with this model; given to
# tools/test.py, the file is the method on ADE20K.
#
# Hardware  one GPU or a CPU. Time and memory: not measured.
# Figure    none published by the paper for this tower, none measured here.
# Source    SCLIP, ECCV 2024; without its area threshold.
_base_ = ['../ade20k.py']
model = dict(
    backbone=dict(affinity='csa', residual=True, ffn=True),
    test_cfg=dict(window=224, stride=112, logit_scale=40.0),
    data_preprocessor=dict(short_side=336),
)
# What the method changes from set to set, by its authors.
per_set = dict(
    voc21=dict(short_side=336, threshold=0.1, logit_scale=65.0),
    context60=dict(short_side=336, threshold=0.1, logit_scale=50.0),
    coco_object=dict(short_side=336, threshold=0.1, logit_scale=50.0),
    voc20=dict(short_side=336),
    context59=dict(short_side=336),
    coco_stuff=dict(short_side=448),
    cityscapes=dict(short_side=560),
    ade20k=dict(short_side=336),
)
