# The OV-LVIS model, backbone DeCLIP's L/14-336, on COCO.
#
#   python tools/test.py \
#       configs/ov_dquo/ov-dquo_eva02-l14-336_declip_lvis2coco.py \
#       work_dirs/ov-dquo_eva02-l14-336_declip_ov-lvis/epoch_35.pth
#
# Hardware  one GPU, 896 px. Time: not measured.
# Memory    not published, not measured here on a GPU.
# Figure    none in the papers, none measured here.
# Source    ours, after the transfer of F-ViT.
_base_ = './ov-dquo_eva02-l14-336_declip_lvis2objects365.py'
test_dataloader = dict(
    dataset=dict(
        data_root='data/coco/',
        ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017/'),
    )
)
test_evaluator = dict(ann_file='data/coco/annotations/instances_val2017.json')
