# OV-LVIS, 866 base and 337 novel (rare) classes, from LVIS v1's official
# files: data/lvis_v1/{train2017,val2017,annotations/lvis_v1_*.json}
_base_ = './ov_coco.py'
data_root = 'data/lvis_v1/'
train_pipeline = _base_.train_pipeline
train_pipeline[1].with_mask = True
train_pipeline[2].scale = train_pipeline[3].crop_size = (1024, 1024)
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = (1024, 1024)
train_dataloader = dict(
    dataset=dict(
        type='OpenVocabDetDataset',
        data_root=data_root,
        ann_file='annotations/lvis_v1_train.json',
        data_prefix=dict(img=''),
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        type='OpenVocabDetDataset',
        data_root=data_root,
        ann_file='annotations/lvis_v1_val.json',
        data_prefix=dict(img=''),
        skip_unlabelled=False,
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(
    _delete_=True,
    type='FasterLVISMetric',
    ann_file=data_root + 'annotations/lvis_v1_val.json',
    metric=['bbox', 'segm'],
)
test_evaluator = val_evaluator
