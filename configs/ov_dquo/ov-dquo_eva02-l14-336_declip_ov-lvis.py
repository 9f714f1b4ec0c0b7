# OV-DQUO on OV-LVIS, backbone DeCLIP's EVA-02-CLIP L/14-336.
#
#   bash tools/dist_train.sh \
#       configs/ov_dquo/ov-dquo_eva02-l14-336_declip_ov-lvis.py 8
#
# Hardware  8 GPUs x 4 images at 896 px. Time: not measured.
# Memory    not published, not measured here on a GPU.
# Figure    DeCLIP's Table 2 states +2.2 box APr over CLIPSelf's weights; not
#           reproduced here.
# Source    OV-DQUO, AAAI 2025, as released; novel_factor=8 is theirs, see
#           docs/detection.md. DeCLIP's authors published no OV-DQUO code: the
#           last map and the temperatures are ours.
_base_ = './ov-dquo_eva02-l14-336_original_ov-lvis.py'
model = dict(backbone={{_base_.declip}})
