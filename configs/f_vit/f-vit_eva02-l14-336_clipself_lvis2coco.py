# The OV-LVIS model, backbone CLIPSelf's L/14-336, on COCO.
#
#   python tools/test.py \
#       configs/f_vit/f-vit_eva02-l14-336_clipself_lvis2coco.py \
#       work_dirs/f-vit_eva02-l14-336_clipself_ov-lvis/epoch_48.pth
#
# Hardware  one GPU, 896 px. Time: not measured.
# Memory    not published, not measured here on a GPU.
# Figure    box AP / AP50 / AP75 40.5 / 63.8 / 44.3 by the DeCLIP paper's Table
#           3; not reproduced here.
# Source    F-ViT: CLIPSelf, ICLR 2024: mask head dropped, tau_det 50, one
#           exponent for all classes. tau_vlm is CLIPSelf's; DeCLIP names none
#           for transfer.
_base_ = './f-vit_eva02-l14-336_declip_lvis2coco.py'
model = dict(
    backbone=dict(
        affinity='maskclip',
        last_tap='maskclip',
        # DeCLIP's has a prefix that this file lacks
        init_cfg=dict(_base_.clipself.init_cfg, _delete_=True),
    ),
)
