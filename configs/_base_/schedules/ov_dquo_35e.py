# OV-DQUO on OV-LVIS: 35 epochs.
_base_ = './ov_dquo_30e.py'
train_cfg = dict(max_epochs=35)
