# Training-free segmentation of the miniature world: 51 names, no background.
#
#   python tools/miniature/build_world.py --out data/miniature
#   python tools/test.py configs/miniature/dense_seg.py \
#       work_dirs/quickstart/declip_tiny.pth
#   python tools/miniature/dense_seg.py --seeds 3 --out dense_seg.json
#
# Windows have the side that DeCLIP trained with and a third of it as step, as
# at full size; a picture of 224 px needs four.
#
# Hardware  two CPU cores.
# Figure    docs/segmentation.md has what was measured.
_base_ = [
    '../_base_/models/dense_seg.py',
    '../_base_/datasets/dense_seg.py',
    '../_base_/seg_runtime.py',
]
clip = dict(
    model='declip_mm://miniature/tiny_clip.json',
    pretrained='declip_mm://miniature/tiny_clip.safetensors',
)
model = dict(
    data_preprocessor=dict(short_side=224),
    backbone=dict(affinity='qq', **clip),
    text_encoder=dict(**clip),
    prompts='name',  # its cut vocabulary has no words for the 80 templates
    test_cfg=dict(window=168, stride=56),
)
test_dataloader = dict(
    batch_size=4,
    dataset=dict(
        type='OVSegDataset',
        data_root='data/miniature/val_known',
        data_prefix=dict(img_path='images', seg_map_path='semantic'),
        classes_file='annotations.json',
        texts=None,
    ),
)
custom_hooks = [dict(type='VocabularyHook'), dict(type='FingerprintHook')]
