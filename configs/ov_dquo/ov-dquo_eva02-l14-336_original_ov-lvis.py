# OV-DQUO on OV-LVIS, backbone the original EVA-02-CLIP L/14-336.
#
#   bash tools/dist_train.sh \
#       configs/ov_dquo/ov-dquo_eva02-l14-336_original_ov-lvis.py 8
#
# Hardware  8 GPUs x 4 images at 896 px. Time: not measured.
# Memory    not published, not measured here on a GPU.
# Figure    none in the papers, none measured here.
# Source    OV-DQUO, AAAI 2025, as released; novel_factor=8 is theirs, see
#           docs/detection.md.
_base_ = [
    '../_base_/models/ov_dquo_eva02-l14-336.py',
    '../_base_/datasets/ov_dquo_lvis_896.py',
    '../_base_/schedules/ov_dquo_35e.py',
    '../_base_/det_runtime.py',
]
model = {{_base_.lvis}}
default_hooks = dict(
    checkpoint=dict(save_best='lvis/bbox_APr', rule='greater')
)
