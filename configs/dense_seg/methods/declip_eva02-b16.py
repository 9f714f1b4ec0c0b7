# DeCLIP on EVA-02 B/16.
#
#   python tools/dense_seg_benchmarks.py \
#       configs/dense_seg/methods/declip_eva02-b16.py DECLIP_CHECKPOINT
#
# runs the eight sets of configs/dense_seg with this model; given to
# tools/test.py, the file is the method on ADE20K.
#
# Hardware  one GPU or a CPU. Time and memory: not measured.
# Figure    mean mIoU of eight sets 41.9 in the paper's Table 5; not measured.
# Source    DeCLIP, CVPR 2025.
_base_ = ['../ade20k.py']
model = dict(
    backbone=dict(affinity='csa', scale='rsqrt'),
    test_cfg=dict(window=336, stride=112, logit_scale=40.0),
)
