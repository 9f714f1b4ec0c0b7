# ClearCLIP (qq without residual and FFN) on EVA-02 B/16.
#
#   python tools/dense_seg_benchmarks.py \
#       configs/dense_seg/methods/clearclip_eva02-b16.py none
#
# runs the eight sets of configs/dense_seg with this model; given to
# tools/test.py, the file is the method on ADE20K.
#
# Hardware  one GPU or a CPU. Time and memory: not measured.
# Figure    none published by the paper for this tower, none measured here.
# Source    ClearCLIP, ECCV 2024.
_base_ = ['../ade20k.py']
model = dict(
    backbone=dict(affinity='qq'),
    test_cfg=dict(window=448, stride=224, logit_scale=50.0),
)
# What the method changes from set to set, by its authors.
per_set = dict(
    voc21=dict(threshold=0.5, texts=dict(background=['background'])),
    context60=dict(threshold=0.15),
    coco_object=dict(threshold=0.4),
    cityscapes=dict(window=224, stride=224),
)
