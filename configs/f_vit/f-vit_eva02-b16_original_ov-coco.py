# F-ViT on OV-COCO, backbone the original EVA-02-CLIP B/16.
#
#   bash tools/dist_train.sh \
#       configs/f_vit/f-vit_eva02-b16_original_ov-coco.py 8
#
# Hardware  8 GPUs x 8 images at 640 px, mixed precision.
# Memory    not published, not measured here on a GPU.
# Figure    box AP50 novel / base / all 17.5 / 41.0 / 34.9 by CLIPSelf's paper,
#           cited from memory; not reproduced here.
# Source    F-ViT: CLIPSelf, ICLR 2024. Weights: an open_clip tag (MIT).
_base_ = [
    '../_base_/models/f_vit_eva02-b16.py',
    '../_base_/datasets/ov_coco.py',
    '../_base_/schedules/f_vit_3e.py',
    '../_base_/det_runtime.py',
]
default_hooks = dict(
    checkpoint=dict(save_best='coco/novel_ap50', rule='greater')
)
