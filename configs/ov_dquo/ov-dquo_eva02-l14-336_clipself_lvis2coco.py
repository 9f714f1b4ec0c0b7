# The OV-LVIS model, backbone CLIPSelf's L/14-336, on COCO.
#
#   python tools/test.py \
#       configs/ov_dquo/ov-dquo_eva02-l14-336_clipself_lvis2coco.py \
#       work_dirs/ov-dquo_eva02-l14-336_clipself_ov-lvis/epoch_35.pth
#
# Hardware  one GPU, 896 px. Time: not measured.
# Memory    not published, not measured here on a GPU.
# Figure    none in the papers, none measured here.
# Source    ours, after the transfer of F-ViT.
_base_ = './ov-dquo_eva02-l14-336_declip_lvis2coco.py'
model = dict(
    backbone=dict(
        affinity='maskclip',
        last_tap='maskclip',
        # DeCLIP's has a prefix that this file lacks
        init_cfg=dict(_base_.clipself.init_cfg, _delete_=True),
    ),
)
