# CAT-Seg with OpenAI's CLIP in the backbone, trained on COCO-Stuff.
#
#   bash tools/dist_train.sh configs/cat_seg/openai-b16_coco-stuff.py 4
#
# Hardware  4 GPUs x 1 picture, 80k iterations. Time and memory: not measured.
# Figure    mIoU of the paper's Table 4: 12.0/19.0/31.8/57.5/94.6/77.3
#           (A-847, PC-459, A-150, PC-59, PAS-20, PAS-20b); none measured here.
# Source    CAT-Seg, CVPR 2024, on open_clip tag openai (MIT).
_base_ = [
    '../_base_/models/cat_seg_openai-b16.py',
    '../_base_/datasets/cat_seg_coco_stuff.py',
    '../_base_/schedules/cat_seg_80k.py',
    '../_base_/cat_seg_runtime.py',
]
model = dict(
    backbone=dict(pretrained='openai'),
    text_encoder=dict(pretrained='openai'),
    # The look every 5000 iterations: one squashed view, as the reference.
    test_cfg=dict(_delete_=True, mode='whole', crop=384),
)
