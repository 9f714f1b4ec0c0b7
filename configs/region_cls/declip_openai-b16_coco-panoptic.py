# Region classification of DeCLIP, OpenAI's CLIP B/16, on COCO panoptic val.
#
#   python tools/test.py \
#       configs/region_cls/declip_openai-b16_coco-panoptic.py \
#       work_dirs/MY_RUN/epoch_6.pth
#
# Hardware  one GPU; 5000 images of 560 px. Time and memory: not measured.
# Figure    mAcc of things / stuff 65.0 / 38.8 by the paper's Table 12; not
#           reproduced here.
# Source    DeCLIP, CVPR 2025.
_base_ = ['declip_eva02-b16_coco-panoptic.py']
clip = dict(model='ViT-B-16', pretrained='openai')
model = dict(backbone=dict(**clip), predictor=dict(text_encoder=dict(**clip)))
test_dataloader = dict(dataset=dict(image_size=560))
