# Region classification of OpenAI's CLIP B/16 on COCO panoptic val.
#
#   python tools/test.py configs/region_cls/openai-b16_coco-panoptic.py none
#
# Hardware  one GPU; 5000 images of 560 px. Time and memory: not measured.
# Figure    none published by the paper for the original, none measured here.
# Source    weights: open_clip tag openai (MIT).
_base_ = ['declip_openai-b16_coco-panoptic.py']
model = dict(backbone=dict(affinity='vanilla'))
