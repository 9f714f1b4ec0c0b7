# Proposer of unknown objects for OV-DQUO, from OV-LVIS's 866 base classes.
# Ours: the authors released neither their proposer nor its settings.
#
#   python tools/dataset_converters/pseudo_labels.py base \
#       configs/f_vit/f-vit_eva02-b16_declip_ov-lvis.py \
#       data/lvis_v1/annotations/lvis_v1_train_base.json
#   python tools/dataset_converters/pseudo_labels.py rounds \
#       configs/ov_dquo/proposer_eva02-b16_declip_ov-lvis.py \
#       data/lvis_v1/annotations/lvis_v1_train_base.json \
#       work_dirs/pseudo_ov-lvis --rounds 3
#
# Hardware  not run at full size.
# Figure    none: nothing was measured on OV-LVIS.
# Source    docs/detection.md, pseudo labels.
_base_ = [
    '../_base_/models/object_proposer_eva02-b16.py',
    '../_base_/datasets/ov_lvis.py',
    '../_base_/schedules/object_proposer_8e.py',
    '../_base_/det_runtime.py',
]
model = dict(
    data_preprocessor=dict(pad_size_divisor=1024),
    backbone={{_base_.declip}},
)
train_pipeline = _base_.train_pipeline
train_pipeline[1].with_mask = False
train_pipeline[-1].type = 'PackOVDetInputs'
train_dataloader = dict(
    dataset=dict(
        type='BaseOnlyDetDataset',
        data_root='',
        ann_file='data/lvis_v1/annotations/lvis_v1_train_base.json',
        data_prefix=dict(img='data/lvis_v1/'),
        pipeline=train_pipeline,
    )
)
val_evaluator = dict(
    _delete_=True,
    type='ObjectRecall',
    ann_file='data/lvis_v1/annotations/lvis_v1_val.json',
)
test_evaluator = val_evaluator
