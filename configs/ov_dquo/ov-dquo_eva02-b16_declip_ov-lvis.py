# OV-DQUO on OV-LVIS, backbone DeCLIP's EVA-02-CLIP B/16.
#
#   bash tools/dist_train.sh \
#       configs/ov_dquo/ov-dquo_eva02-b16_declip_ov-lvis.py 8
#
# Hardware  8 GPUs x 4 images at 1024 px. Time: not measured.
# Memory    not published, not measured here on a GPU.
# Figure    DeCLIP's Table 2 states +1.3 box APr over CLIPSelf's weights; not
#           reproduced here.
# Source    OV-DQUO, AAAI 2025, as released; novel_factor=8 is theirs, see
#           docs/detection.md. DeCLIP's authors published no OV-DQUO code: the
#           last map and the temperatures are ours.
_base_ = './ov-dquo_eva02-b16_original_ov-lvis.py'
model = dict(backbone={{_base_.declip}})
