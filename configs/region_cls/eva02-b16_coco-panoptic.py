# Region classification of the original EVA-02-CLIP B/16 on COCO panoptic val.
#
#   python tools/test.py configs/region_cls/eva02-b16_coco-panoptic.py none
#   ... none --cfg-options model.backbone.affinity=maskclip
#
# The second command takes the values of the last block instead of its output.
#
# Hardware  one GPU; 5000 images of 1024 px. Time and memory: not measured.
# Figure    39.0 in the paper's Fig. 2a (which regions and which features: not
#           said there); not reproduced here.
# Source    weights: open_clip tag merged2b_s8b_b131k (MIT).
_base_ = ['declip_eva02-b16_coco-panoptic.py']
model = dict(backbone=dict(affinity='vanilla'))
