# F-ViT on EVA-02-CLIP B/16, on COCO (boxes). `lvis` below is what differs on
# LVIS, `clipself` and `declip` are the two other backbones:
#   model = {{_base_.lvis}}
#   model = dict(backbone={{_base_.declip}})
clip = dict(model='EVA02-B-16', pretrained='merged2b_s8b_b131k')
norm_cfg = dict(type='SyncBN', requires_grad=True)
box_strides = [4, 8, 16, 32]
box_extractor = dict(
    type='SingleRoIExtractor',
    roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0),
    out_channels=256,
    featmap_strides=box_strides,
)
proposals = dict(
    nms_pre=2000,
    max_per_img=1000,
    nms=dict(type='nms', iou_threshold=0.7),
    min_bbox_size=0,
)
model = dict(
    type='FViT',
    # ImageNet's statistics, as published F-ViT models have it; 'backbone' is
    # there to try.
    pixel_stats='imagenet',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        pad_size_divisor=640,
        foreign_pixels='published F-ViT models normalise as ImageNet',
    ),
    embedder=dict(
        text_encoder=dict(type='DeCLIPTextEncoder', **clip),
        prompts='vild',
        background='background',
        cache_dir='work_dirs/class_embeddings',
    ),
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
        type='FViTRPNHead',
        in_channels=256,
        feat_channels=256,
        num_convs=2,
        anchor_generator=dict(
            type='AnchorGenerator',
            scales=[8],
            ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64],
        ),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(
            type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0
        ),
        loss_bbox=dict(type='L1Loss', loss_weight=1.0),
    ),
    roi_head=dict(
        type='FViTRoIHead',
        fusion_alpha=0.1,
        fusion_beta=0.8,
        tau_vlm=75.0,
        bbox_roi_extractor=box_extractor,
        vlm_roi_extractor=dict(
            type='SingleRoIExtractor',
            roi_layer=dict(
                type='RoIAlign',
                output_size=1,
                sampling_ratio=0,
                use_torchvision=True,
            ),
            out_channels=512,
            featmap_strides=[16],
        ),
        bbox_head=dict(
            type='ConvFCBBoxHead',
            num_shared_convs=4,
            num_shared_fcs=2,
            num_cls_fcs=1,
            num_reg_fcs=1,
            in_channels=256,
            conv_out_channels=256,
            fc_out_channels=512,
            roi_feat_size=7,
            reg_class_agnostic=True,
            norm_cfg=norm_cfg,
            cls_predictor_cfg=dict(type='FViTTextClassifier', tau_det=50.0),
            loss_cls=dict(
                type='FViTClassificationLoss', background_weight=0.6
            ),
            loss_bbox=dict(type='L1Loss', loss_weight=1.0),
        ),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type='MaxIoUAssigner',
                pos_iou_thr=0.7,
                neg_iou_thr=0.3,
                min_pos_iou=0.3,
            ),
            sampler=dict(
                type='RandomSampler',
                num=256,
                pos_fraction=0.5,
                add_gt_as_proposals=False,
            ),
            allowed_border=-1,
            pos_weight=-1,
        ),
        rpn_proposal=proposals,
        rcnn=dict(
            assigner=dict(
                type='MaxIoUAssigner',
                pos_iou_thr=0.5,
                neg_iou_thr=0.5,
                min_pos_iou=0.5,
                match_low_quality=False,
            ),
            sampler=dict(type='RandomSampler', num=512, pos_fraction=0.25),
            pos_weight=-1,
        ),
    ),
    test_cfg=dict(
        rpn=proposals,
        rcnn=dict(
            score_thr=0.01,
            nms=dict(type='nms', iou_threshold=0.4),
            max_per_img=100,
        ),
    ),
)

lvis = dict(
    data_preprocessor=dict(pad_size_divisor=1024, pad_mask=True),
    rpn_head=dict(norm_cfg=norm_cfg),
    roi_head=dict(
        fusion_beta=0.6,
        tau_vlm=50.0,
        bbox_head=dict(loss_cls=dict(background_weight=0.9)),
        mask_roi_extractor=dict(
            type='SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=0),
            out_channels=256,
            featmap_strides=box_strides,
        ),
        mask_head=dict(
            type='FCNMaskHead',
            num_convs=4,
            in_channels=256,
            conv_out_channels=256,
            num_classes=1,
            class_agnostic=True,
            norm_cfg=norm_cfg,
            loss_mask=dict(
                type='CrossEntropyLoss', use_mask=True, loss_weight=1.0
            ),
        ),
    ),
    train_cfg=dict(
        rcnn=dict(assigner=dict(match_low_quality=True), mask_size=28)
    ),
    test_cfg=dict(
        rcnn=dict(
            score_thr=1e-4,
            nms=dict(type='nms', iou_threshold=0.5),
            max_per_img=300,
            mask_thr_binary=0.5,
        )
    ),
)

clipself = dict(
    pretrained=None,
    init_cfg=dict(
        type='Pretrained', checkpoint='checkpoints/clipself_eva02-b16.pt'
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
# Another data set by an OV-LVIS model: boxes alone, every class alike. The
# data set's own exponent replaces fusion_alpha.
transfer = dict(
    roi_head=dict(
        fusion_alpha=0.3,
        tau_vlm=120.0,
        bbox_head=dict(cls_predictor_cfg=dict(test_tau=50.0)),
        mask_roi_extractor=None,
        mask_head=None,
    ),
)
