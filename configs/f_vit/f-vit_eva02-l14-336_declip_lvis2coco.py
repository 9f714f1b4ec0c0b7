# The OV-LVIS model, backbone DeCLIP's L/14-336, on COCO.
#
#   python tools/test.py \
#       configs/f_vit/f-vit_eva02-l14-336_declip_lvis2coco.py \
#       work_dirs/f-vit_eva02-l14-336_declip_ov-lvis/epoch_48.pth
#
# Hardware  one GPU, 896 px. Time: not measured.
# Memory    not published, not measured here on a GPU.
# Figure    box AP / AP50 / AP75 41.0 / 64.6 / 44.8 by the DeCLIP paper's Table
#           3; not reproduced here.
# Source    F-ViT: CLIPSelf, ICLR 2024: mask head dropped, tau_det 50, one
#           exponent for all classes. tau_vlm is CLIPSelf's; DeCLIP names none
#           for transfer.
_base_ = './f-vit_eva02-l14-336_declip_lvis2objects365.py'
model = dict(roi_head=dict(fusion_alpha=0.2))
test_dataloader = dict(
    dataset=dict(
        data_root='data/coco/',
        ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017/'),
    )
)
test_evaluator = dict(ann_file='data/coco/annotations/instances_val2017.json')
