# Region classification of DeCLIP, EVA-02-CLIP B/16, on COCO panoptic val.
#
#   python tools/test.py configs/region_cls/declip_eva02-b16_coco-panoptic.py \
#       work_dirs/pretune_dinov2/epoch_6.pth
#   ... none --cfg-options model.backbone.pretrained=AUTHORS.pt \
#       model.backbone.scale=1.0     # a released file: `csa`, unscaled
#
# Hardware  one GPU; 5000 images of 1024 px. Time and memory: not measured.
# Figure    mAcc of things / stuff 77.3 / 53.8 by the paper's Table 7; not
#           reproduced here.
# Source    DeCLIP, CVPR 2025.
_base_ = [
    '../_base_/models/declip_eva02_b16.py',
    '../_base_/datasets/coco_panoptic_regions.py',
    '../_base_/default_runtime.py',
]
model = dict(
    _delete_=True,
    type='ZeroShotModel',
    data_preprocessor={{_base_.model.data_preprocessor}},
    backbone={{_base_.model.backbone}},
    predictor={{_base_.model.predictor}},
)
test_cfg = dict(type='TestLoop')
val_dataloader = None
val_evaluator = None
custom_hooks = [dict(type='VocabularyHook'), dict(type='FingerprintHook')]
