# F-ViT on OV-LVIS: 48 epochs, evaluated every 12.
_base_ = './f_vit_3e.py'
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=250),
    dict(type='MultiStepLR', by_epoch=True, milestones=[32, 44], gamma=0.1),
]
train_cfg = dict(max_epochs=48, val_interval=12)
