# F-ViT on OV-LVIS, backbone CLIPSelf's EVA-02-CLIP L/14-336.
#
#   bash tools/dist_train.sh \
#       configs/f_vit/f-vit_eva02-l14-336_clipself_ov-lvis.py 8
#
# Hardware  8 GPUs x 8 images at 896 px, mixed precision.
# Memory    not published, not measured here on a GPU.
# Figure    mask APr / APc / APf / AP 34.9 / 34.6 / 35.6 / 35.1 by the DeCLIP
#           paper's Table 2; not reproduced here.
# Source    F-ViT and weights: CLIPSelf, ICLR 2024. Its weights are for non-
#           commercial use and not fetched from here: put the file where
#           init_cfg says.
_base_ = './f-vit_eva02-l14-336_original_ov-lvis.py'
model = dict(backbone={{_base_.clipself}})
