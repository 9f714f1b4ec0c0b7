# F-ViT on OV-COCO, backbone CLIPSelf's EVA-02-CLIP B/16.
#
#   bash tools/dist_train.sh \
#       configs/f_vit/f-vit_eva02-b16_clipself_ov-coco.py 8
#
# Hardware  8 GPUs x 8 images at 640 px, mixed precision.
# Memory    not published, not measured here on a GPU.
# Figure    box AP50 novel / base / all 37.6 / 54.9 / 50.4 by the DeCLIP
#           paper's Table 2; not reproduced here.
# Source    F-ViT and weights: CLIPSelf, ICLR 2024. Its weights are for non-
#           commercial use and not fetched from here: put the file where
#           init_cfg says.
_base_ = './f-vit_eva02-b16_original_ov-coco.py'
model = dict(backbone={{_base_.clipself}})
