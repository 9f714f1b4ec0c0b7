# CAT-Seg with DeCLIP weights, EVA-02 L/14-336, on PC-59, zero-shot.
#
#   python tools/test.py \
#       configs/cat_seg/declip_eva02-l14-336_context59.py CHECKPOINT
#
# CHECKPOINT is one of our trainings or a released file that went through
# tools/model_converters/cat_seg.py. Another backbone: change the model's base.
#
# Hardware  one GPU or a CPU. Time and memory: not measured.
# Figure    63.9 mIoU in the paper's Table 4, none measured here.
# Source    DeCLIP, CVPR 2025; protocol of CAT-Seg, CVPR 2024.
_base_ = [
    '../_base_/models/cat_seg_eva02-l14-336.py',
    '../_base_/datasets/cat_seg_context59.py',
    '../_base_/cat_seg_runtime.py',
]
# Exact, and bounds the memory with hundreds of names.
model = dict(decode_head=dict(class_chunk=32, pixel_chunk=144))
custom_hooks = [
    dict(type='VocabularyHook'),
    dict(type='FingerprintHook'),
]
