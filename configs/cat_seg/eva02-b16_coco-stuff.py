# CAT-Seg with plain EVA-CLIP in the backbone, trained on COCO-Stuff.
#
#   bash tools/dist_train.sh configs/cat_seg/eva02-b16_coco-stuff.py 4
#
# Hardware  4 GPUs x 1 picture, 80k iterations. Time and memory: not measured.
# Figure    mIoU of the paper's Table 9: 11.9/17.6/30.4/52.3/94.2/74.2
#           (A-847, PC-459, A-150, PC-59, PAS-20, PAS-20b); none measured here.
# Source    open_clip tag. The paper does not say how it takes dense features
#           from plain EVA-CLIP; here they are taken as with DeCLIP (csa,
#           unscaled), so that the weights alone differ.
_base_ = [
    '../_base_/models/cat_seg_eva02-b16.py',
    '../_base_/datasets/cat_seg_coco_stuff.py',
    '../_base_/schedules/cat_seg_80k.py',
    '../_base_/cat_seg_runtime.py',
]
model = dict(
    backbone=dict(pretrained='merged2b_s8b_b131k'),
    text_encoder=dict(pretrained='merged2b_s8b_b131k'),
    # The look every 5000 iterations: one squashed view, as the reference.
    test_cfg=dict(_delete_=True, mode='whole', crop=384),
)
