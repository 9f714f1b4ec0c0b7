# F-ViT on OV-LVIS, backbone DeCLIP's EVA-02-CLIP B/16.
#
#   bash tools/dist_train.sh \
#       configs/f_vit/f-vit_eva02-b16_declip_ov-lvis.py 8
#
# Hardware  8 GPUs x 8 images at 1024 px, mixed precision.
# Memory    not published, not measured here on a GPU.
# Figure    mask APr / APc / APf / AP 26.8 / 22.4 / 29.8 / 26.0 by the DeCLIP
#           paper's Table 2; not reproduced here.
# Source    DeCLIP, CVPR 2025, Table 2; tau_vlm from its supplement. The
#           authors published no F-ViT code: the last feature level and the
#           exponents are ours to sweep (tools/analysis_tools/sweep_fusion.py).
_base_ = './f-vit_eva02-b16_original_ov-lvis.py'
model = dict(
    backbone={{_base_.declip}},
    roi_head=dict(tau_vlm=90.0),
)
