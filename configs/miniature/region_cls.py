# Regions and pixels of the miniature world, by a backbone as it is.
#
#   python tools/test.py configs/miniature/region_cls.py CHECKPOINT
_base_ = [
    '../_base_/models/declip_tiny.py',
    '../_base_/datasets/miniature.py',
    '../_base_/default_runtime.py',
]
model = dict(
    _delete_=True,
    type='ZeroShotModel',
    data_preprocessor={{_base_.model.data_preprocessor}},
    backbone={{_base_.model.backbone}},
    predictor={{_base_.model.predictor}},
)
train_dataloader = None
val_dataloader = None
val_evaluator = None
test_cfg = dict(type='TestLoop')
custom_hooks = [dict(type='VocabularyHook'), dict(type='FingerprintHook')]
