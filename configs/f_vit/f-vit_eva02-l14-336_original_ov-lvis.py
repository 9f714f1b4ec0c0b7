# F-ViT on OV-LVIS, backbone the original EVA-02-CLIP L/14-336.
#
#   bash tools/dist_train.sh \
#       configs/f_vit/f-vit_eva02-l14-336_original_ov-lvis.py 8
#
# Hardware  8 GPUs x 8 images at 896 px, mixed precision.
# Memory    not published, not measured here on a GPU.
# Figure    mask APr 24.2 by CLIPSelf's paper, cited from memory; not
#           reproduced here.
# Source    F-ViT: CLIPSelf, ICLR 2024. Weights: an open_clip tag (MIT).
_base_ = [
    '../_base_/models/f_vit_eva02-l14-336.py',
    '../_base_/datasets/ov_lvis_896.py',
    '../_base_/schedules/f_vit_48e.py',
    '../_base_/det_runtime.py',
]
model = {{_base_.lvis}}
default_hooks = dict(
    checkpoint=dict(save_best='lvis/segm_APr', rule='greater')
)
