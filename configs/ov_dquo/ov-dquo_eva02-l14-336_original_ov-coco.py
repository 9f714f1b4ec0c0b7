# OV-DQUO on OV-COCO, backbone the original EVA-02-CLIP L/14-336.
#
#   bash tools/dist_train.sh \
#       configs/ov_dquo/ov-dquo_eva02-l14-336_original_ov-coco.py 8
#
# Hardware  8 GPUs x 4 images at 896 px. Time: not measured.
# Memory    not published, not measured here on a GPU.
# Figure    none in the papers, none measured here.
# Source    Ours: the authors' code cannot run a ViT on OV-COCO, so that the
#           recipe had to be designed: OV-LVIS's, with the side of F-ViT on
#           OV-COCO and all base classes in every step.
_base_ = [
    '../_base_/models/ov_dquo_eva02-l14-336.py',
    '../_base_/datasets/ov_dquo_coco_896.py',
    '../_base_/schedules/ov_dquo_30e.py',
    '../_base_/det_runtime.py',
]
default_hooks = dict(
    checkpoint=dict(save_best='coco/novel_ap50', rule='greater')
)
