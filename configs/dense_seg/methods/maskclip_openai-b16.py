# MaskCLIP (values, without attention) on OpenAI's B/16.
#
#   python tools/dense_seg_benchmarks.py \
#       configs/dense_seg/methods/maskclip_openai-b16.py none
#
# runs the eight sets of configs/dense_seg with this model; given to
# tools/test.py, the file is the method on ADE20K.
#
# Hardware  one GPU or a CPU. Time and memory: not measured.
# Figure    mean mIoU of eight sets 30.3 in the paper's Table 5; not measured.
# Source    MaskCLIP, ECCV 2022; settings of ClearCLIP, ECCV 2024.
_base_ = ['./maskclip_eva02-b16.py']
clip = dict(model='ViT-B-16', pretrained='openai')
model = dict(backbone=dict(**clip), text_encoder=dict(**clip))
