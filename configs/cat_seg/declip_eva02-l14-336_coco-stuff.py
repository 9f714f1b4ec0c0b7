# CAT-Seg with DeCLIP weights in the backbone, trained on COCO-Stuff.
#
#   bash tools/dist_train.sh \
#       configs/cat_seg/declip_eva02-l14-336_coco-stuff.py 4
#
# Hardware  4 GPUs x 1 picture, 80k iterations. Time and memory: not measured.
# Figure    mIoU of the paper's Table 4: 17.6/25.9/40.7/63.9/97.7/83.9
#           (A-847, PC-459, A-150, PC-59, PAS-20, PAS-20b); none measured here.
# Source    DeCLIP, CVPR 2025. The released weights (csa, unscaled) go through
#           tools/model_converters/convert.py first. For a backbone of
#           configs/declip/pretune_dinov2*.py say
#           model.backbone.init_cfg.checkpoint=EXPORTED.pth
#           model.backbone.scale=rsqrt; a mismatch is refused.
_base_ = [
    '../_base_/models/cat_seg_eva02-l14-336.py',
    '../_base_/datasets/cat_seg_coco_stuff.py',
    '../_base_/schedules/cat_seg_80k.py',
    '../_base_/cat_seg_runtime.py',
]
model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='weights/declip_eva02-l14-336.pth',
            prefix='backbone.',
        )
    ),
    # DeCLIP leaves the text tower as it is.
    text_encoder=dict(pretrained='merged2b_s6b_b61k'),
    # The look every 5000 iterations: one squashed view, as the reference.
    test_cfg=dict(_delete_=True, mode='whole', crop=384),
)
