# The OV-LVIS model, backbone DeCLIP's L/14-336, on Objects365 v1.
#
#   python tools/test.py \
#       configs/ov_dquo/ov-dquo_eva02-l14-336_declip_lvis2objects365.py \
#       work_dirs/ov-dquo_eva02-l14-336_declip_ov-lvis/epoch_35.pth
#
# Hardware  one GPU, 896 px. Time: not measured.
# Memory    not published, not measured here on a GPU.
# Figure    none in the papers, none measured here.
# Source    ours, after the transfer of F-ViT.
_base_ = './ov-dquo_eva02-l14-336_declip_ov-lvis.py'
train_dataloader = train_cfg = optim_wrapper = param_scheduler = None
val_dataloader = val_cfg = val_evaluator = None
auto_scale_lr = None
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='OpenVocabDetDataset',
        data_root='data/objects365v1/',
        ann_file='annotations/objects365_val.json',
        data_prefix=dict(img='val/'),
        test_mode=True,
        pipeline={{_base_.test_pipeline}},
    )
)
test_evaluator = dict(
    _delete_=True,
    type='CocoMetric',
    ann_file='data/objects365v1/annotations/objects365_val.json',
    metric='bbox',
)
