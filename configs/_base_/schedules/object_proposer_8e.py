# A proposer: as F-ViT's schedule, eight epochs as OLN has them.
_base_ = './f_vit_3e.py'
train_cfg = dict(max_epochs=8, val_interval=8)
custom_hooks = [
    dict(type='FingerprintHook', recipe='object_proposer'),
    dict(type='CheckInvalidLossHook', interval=50),
]
