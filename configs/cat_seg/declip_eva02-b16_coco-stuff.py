# CAT-Seg with DeCLIP weights in the backbone, trained on COCO-Stuff.
#
#   bash tools/dist_train.sh configs/cat_seg/declip_eva02-b16_coco-stuff.py 4
#
# Hardware  4 GPUs x 1 picture, 80k iterations. Time and memory: not measured.
# Figure    mIoU of the paper's Table 4: 15.3/21.4/36.3/60.6/96.6/81.3
#           (A-847, PC-459, A-150, PC-59, PAS-20, PAS-20b); none measured here.
# Source    DeCLIP, CVPR 2025. The released weights (csa, unscaled) go through
#           tools/model_converters/convert.py first. For a backbone of
#           configs/declip/pretune_dinov2*.py say
#           model.backbone.init_cfg.checkpoint=EXPORTED.pth
#           model.backbone.scale=rsqrt; a mismatch is refused.
_base_ = [
    '../_base_/models/cat_seg_eva02-b16.py',
    '../_base_/datasets/cat_seg_coco_stuff.py',
    '../_base_/schedules/cat_seg_80k.py',
    '../_base_/cat_seg_runtime.py',
]
model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='weights/declip_eva02-b16.pth',
            prefix='backbone.',
        )
    ),
    # DeCLIP leaves the text tower as it is.
    text_encoder=dict(pretrained='merged2b_s8b_b131k'),
    # The look every 5000 iterations: one squashed view, as the reference.
    test_cfg=dict(_delete_=True, mode='whole', crop=384),
)
