# A proposer of any object (OLN) on EVA-02-CLIP B/16, whose boxes become
# pseudo labels for OV-DQUO. `declip` is the backbone with DeCLIP's weights.
clip = dict(model='EVA02-B-16', pretrained='merged2b_s8b_b131k')
norm_cfg = dict(type='SyncBN', requires_grad=True)
box_strides = [4, 8, 16, 32]
proposals = dict(
    nms_pre=2000,
    max_per_img=1000,
    nms=dict(type='nms', iou_threshold=0.7),
    min_bbox_size=0,
)
model = dict(
    type='ObjectProposer',
    data_preprocessor=dict(type='DetDataPreprocessor', pad_size_divisor=640),
    backbone=dict(
        type='DeCLIPViT',
        affinity='maskclip',
        scale='rsqrt',
        out_indices=(3, 5, 7, 11),
        last_tap='maskclip',
        frozen_stages=12,
        train_head=False,
        **clip,
    ),
    neck=dict(
        type='FViTNeck',
        in_channels=[768, 768, 768, 768],
        scales=(4, 2, 1, 0.5),
        out_channels=256,
        num_outs=5,
        norm_cfg=norm_cfg,
    ),
    rpn_head=dict(
        type='LocalisationRPNHead',
        in_channels=256,
        feat_channels=256,
        anchor_generator=dict(
            type='AnchorGenerator',
            scales=[8],
            ratios=[1.0],  # boxes are not told apart by their shape
            strides=[4, 8, 16, 32, 64],
        ),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(
            type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0
        ),
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
    ),
    roi_head=dict(
        type='LocalisationRoIHead',
        bbox_roi_extractor=dict(
            type='SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0),
            out_channels=256,
            featmap_strides=box_strides,
        ),
        bbox_head=dict(
            type='LocalisationBBoxHead',
            in_channels=256,
            fc_out_channels=1024,
            roi_feat_size=7,
            bbox_coder=dict(
                type='DeltaXYWHBBoxCoder',
                target_stds=[0.1, 0.1, 0.2, 0.2],
            ),
            loss_bbox=dict(type='L1Loss', loss_weight=1.0),
        ),
    ),
    train_cfg=dict(
        # every anchor on an object is a target, none off it
        rpn=dict(
            assigner=dict(
                type='MaxIoUAssigner',
                pos_iou_thr=0.3,
                neg_iou_thr=0.3,
                min_pos_iou=0.3,
                ignore_iof_thr=-1,
            ),
            allowed_border=-1,
            pos_weight=-1,
        ),
        rpn_proposal=proposals,
        rcnn=dict(
            assigner=dict(
                type='MaxIoUAssigner',
                pos_iou_thr=0.3,
                neg_iou_thr=0.3,
                min_pos_iou=0.3,
                match_low_quality=False,
                ignore_iof_thr=-1,
            ),
            sampler=dict(
                type='RandomSampler',
                num=256,
                pos_fraction=1.0,
                neg_pos_ub=-1,
                add_gt_as_proposals=True,
            ),
            pos_weight=-1,
        ),
    ),
    test_cfg=dict(
        rpn=proposals,
        rcnn=dict(
            score_thr=0.0,
            nms=dict(type='nms', iou_threshold=0.7),
            max_per_img=100,
        ),
    ),
)
declip = dict(
    affinity='csa',
    last_tap='decoupled',
    pretrained=None,
    init_cfg=dict(
        type='Pretrained',
        checkpoint='checkpoints/declip_eva02-b16.pth',
        prefix='backbone.',
    ),
)
