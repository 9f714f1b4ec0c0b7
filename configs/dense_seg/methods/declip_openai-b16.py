# DeCLIP on OpenAI's B/16.
#
#   python tools/dense_seg_benchmarks.py \
#       configs/dense_seg/methods/declip_openai-b16.py DECLIP_CHECKPOINT
#
# runs the eight sets of configs/dense_seg with this model; given to
# tools/test.py, the file is the method on ADE20K.
#
# Hardware  one GPU or a CPU. Time and memory: not measured.
# Figure    none published by the paper for this tower, none measured here.
# Source    DeCLIP, CVPR 2025.
_base_ = ['./declip_eva02-b16.py']
clip = dict(model='ViT-B-16', pretrained='openai')
model = dict(backbone=dict(**clip), text_encoder=dict(**clip))
