# F-ViT on OV-LVIS, backbone the original EVA-02-CLIP B/16.
#
#   bash tools/dist_train.sh \
#       configs/f_vit/f-vit_eva02-b16_original_ov-lvis.py 8
#
# Hardware  8 GPUs x 8 images at 1024 px, mixed precision.
# Memory    not published, not measured here on a GPU.
# Figure    mask APr 11.5 by CLIPSelf's paper, cited from memory; not
#           reproduced here.
# Source    F-ViT: CLIPSelf, ICLR 2024. Weights: an open_clip tag (MIT).
_base_ = [
    '../_base_/models/f_vit_eva02-b16.py',
    '../_base_/datasets/ov_lvis.py',
    '../_base_/schedules/f_vit_48e.py',
    '../_base_/det_runtime.py',
]
model = {{_base_.lvis}}
default_hooks = dict(
    checkpoint=dict(save_best='lvis/segm_APr', rule='greater')
)
