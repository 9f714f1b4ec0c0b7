# Region classification of the miniature CLIP, data in COCO panoptic's layout.
#
#   python tools/dataset_converters/miniature_coco_panoptic.py data/mini_coco
#   python tools/test.py configs/region_cls/declip_tiny_coco-panoptic.py \
#       work_dirs/quickstart/declip_tiny.pth
#
# The full-size config with another model: tower and weights, `qq`, prompts
# that its cut vocabulary has, 168 px, and data_root.
#
# Hardware  two CPU cores, 200 pictures: about 15 s.
# Figure    box mAcc 27.0, mask mAcc 30.6 (measured here, one seed, 51 names)
#           with weights of an earlier configs/miniature/pretune.py: one grid
#           of crops, VFM layer 10. Equal to configs/miniature/region_cls.py.
# Source    docs/figures.md.
_base_ = ['declip_eva02-b16_coco-panoptic.py']
clip = dict(
    model='declip_mm://miniature/tiny_clip.json',
    pretrained='declip_mm://miniature/tiny_clip.safetensors',
)
model = dict(
    backbone=dict(affinity='qq', **clip),
    predictor=dict(text_encoder=dict(**clip), prompts='name'),
)
test_dataloader = dict(
    dataset=dict(data_root='data/mini_coco', image_size=168)
)
