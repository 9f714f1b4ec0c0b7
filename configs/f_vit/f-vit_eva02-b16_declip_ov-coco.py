# F-ViT on OV-COCO, backbone DeCLIP's EVA-02-CLIP B/16.
#
#   bash tools/dist_train.sh \
#       configs/f_vit/f-vit_eva02-b16_declip_ov-coco.py 8
#
# Hardware  8 GPUs x 8 images at 640 px, mixed precision.
# Memory    not published, not measured here on a GPU.
# Figure    box AP50 novel / base / all 41.1 / 57.8 / 53.5 by the DeCLIP
#           paper's Table 2; not reproduced here.
# Source    DeCLIP, CVPR 2025, Table 2; tau_vlm from its supplement. The
#           authors published no F-ViT code: the last feature level and the
#           exponents are ours to sweep (tools/analysis_tools/sweep_fusion.py).
_base_ = './f-vit_eva02-b16_original_ov-coco.py'
model = dict(
    backbone={{_base_.declip}},
    roi_head=dict(tau_vlm=45.0),
)
