# OV-COCO for OV-DQUO at 896 px.
_base_ = './ov_dquo_coco.py'
train_pipeline = _base_.train_pipeline
train_pipeline[3].transforms[0][0].scale = (896, 896)
train_pipeline[3].transforms[1][2].scale = (896, 896)
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = (896, 896)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
