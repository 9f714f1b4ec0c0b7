# SCLIP (csa with residual and FFN) on OpenAI's B/16.
#
#   python tools/dense_seg_benchmarks.py \
#       configs/dense_seg/methods/sclip_openai-b16.py none
#
# runs the eight sets of configs/dense_seg with this model; given to
# tools/test.py, the file is the method on ADE20K.
#
# Hardware  one GPU or a CPU. Time and memory: not measured.
# Figure    mean mIoU of eight sets 38.2 in the paper's Table 5; not measured.
# Source    SCLIP, ECCV 2024; without its area threshold.
_base_ = ['./sclip_eva02-b16.py']
clip = dict(model='ViT-B-16', pretrained='openai')
model = dict(backbone=dict(**clip), text_encoder=dict(**clip))
