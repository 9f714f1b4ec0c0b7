# Region classification of CLIPSelf, EVA-02-CLIP L/14-336, COCO panoptic val.
#
#   python tools/test.py \
#       configs/region_cls/clipself_eva02-l14-336_coco-panoptic.py \
#       none --cfg-options model.backbone.pretrained=CLIPSELF.pt
#
# CLIPSelf's dense features are the values of the last block, with its residual
# and FFN. Its weights are for non-commercial use and not fetched from here.
#
# Hardware  one GPU; 5000 images of 1022 px. Time and memory: not measured.
# Figure    a curve below DeCLIP's in the DeCLIP paper's Fig. 6, no number; not
#           reproduced here.
# Source    CLIPSelf, ICLR 2024.
_base_ = ['declip_eva02-l14-336_coco-panoptic.py']
model = dict(backbone=dict(affinity='maskclip'))
