# Region classification of DeCLIP, EVA-02-CLIP L/14-336, on COCO panoptic val.
#
#   python tools/test.py CONFIG work_dirs/MY_RUN/epoch_6.pth
#   python tools/test.py CONFIG none --cfg-options \
#       model.backbone.pretrained=AUTHORS.pt model.backbone.scale=1.0
#
# with CONFIG configs/region_cls/declip_eva02-l14-336_coco-panoptic.py. The
# second command measures a released file (`csa`, unscaled).
#
# Hardware  one GPU; 5000 images of 1022 px (73 patches of 14; the paper's 1024
#           is no multiple). Time and memory: not measured.
# Figure    none published by the paper as a number, none measured here.
# Source    DeCLIP, CVPR 2025.
_base_ = ['declip_eva02-b16_coco-panoptic.py']
clip = dict(model='EVA02-L-14-336', pretrained='merged2b_s6b_b61k')
model = dict(backbone=dict(**clip), predictor=dict(text_encoder=dict(**clip)))
test_dataloader = dict(dataset=dict(image_size=1022))
