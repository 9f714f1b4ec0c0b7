# Region classification of original EVA-02-CLIP L/14-336, COCO panoptic val.
#
#   python tools/test.py configs/region_cls/eva02-l14-336_coco-panoptic.py none
#
# Hardware  one GPU; 5000 images of 1022 px. Time and memory: not measured.
# Figure    none published by the paper, none measured here.
# Source    weights: open_clip tag merged2b_s6b_b61k (MIT).
_base_ = ['declip_eva02-l14-336_coco-panoptic.py']
model = dict(backbone=dict(affinity='vanilla'))
