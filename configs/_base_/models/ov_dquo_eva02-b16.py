# OV-DQUO on EVA-02-CLIP B/16, on OV-COCO. `lvis` below is what differs on
# OV-LVIS, `clipself` and `declip` are the two other backbones:
#   model = {{_base_.lvis}}
#   model = dict(backbone={{_base_.declip}})
clip = dict(model='EVA02-B-16', pretrained='merged2b_s8b_b131k')
attention = dict(embed_dims=256, num_heads=8, dropout=0.0)
deformable = dict(embed_dims=256, num_levels=3, dropout=0.0)
ffn = dict(embed_dims=256, feedforward_channels=2048, ffn_drop=0.0)
model = dict(
    type='OVDQUO',
    # ImageNet's statistics, as the authors have it; 'backbone' is there to
    # try.
    pixel_stats='imagenet',
    # Every picture is padded to one square, after normalising: the same grid
    # of tokens in training and test.
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        pad_size_divisor=640,
        foreign_pixels='published OV-DQUO models normalise as ImageNet',
    ),
    embedder=dict(
        text_encoder=dict(type='DeCLIPTextEncoder', **clip),
        prompts='vild',
        background='object',  # the wildcard
        cache_dir='work_dirs/class_embeddings',
    ),
    backbone=dict(
        type='DeCLIPViT',
        affinity='maskclip',
        scale='rsqrt',
        out_indices=(5, 7, 11),
        last_tap='maskclip',
        frozen_stages=12,
        train_head=False,
        **clip,
    ),
    neck=dict(
        type='OVDQUONeck',
        in_channels=[768, 768, 768],
        scales=(2, 1, 0.5),
        out_channels=256,
        norm_cfg=dict(type='GN', num_groups=32),
    ),
    num_queries=1000,
    positional_encoding=dict(num_feats=128, normalize=True, temperature=20),
    encoder=dict(
        num_layers=6,
        layer_cfg=dict(self_attn_cfg=deformable, ffn_cfg=ffn),
    ),
    decoder=dict(
        num_layers=6,
        return_intermediate=True,
        layer_cfg=dict(
            self_attn_cfg=attention, cross_attn_cfg=deformable, ffn_cfg=ffn
        ),
        post_norm_cfg=None,
    ),
    bbox_head=dict(
        type='OVDQUOHead',
        embed_dims=256,
        loss_cls=dict(type='OVDQUOQualityLoss', loss_weight=2.0),
        loss_bbox=dict(type='L1Loss', loss_weight=5.0),
        loss_iou=dict(type='OVDQUOGIoULoss', loss_weight=2.0),
        loss_denoising=dict(type='OVDQUODenoisingLoss', loss_weight=2.0),
    ),
    dn_cfg=dict(
        num_dn_queries=100, label_noise_scale=0.5, box_noise_scale=1.0
    ),
    # all 48 base classes in every step
    train_classes=48,
    novel_names=False,
    tau_query=100.0,
    tau_vlm=100.0,
    # The authors' 3 (OV-COCO) and 8 (OV-LVIS) need to know at test time
    # which names had no annotations; see docs/detection.md.
    novel_factor=1.0,
    train_cfg=dict(
        assigner=dict(
            type='ConditionalMatcher',
            cls_weight=2.0,
            bbox_weight=5.0,
            iou_weight=2.0,
        )
    ),
    test_cfg=dict(
        score_thr=0.001,
        nms=dict(type='nms', iou_threshold=0.5),
        max_per_img=100,
    ),
)

lvis = dict(
    data_preprocessor=dict(pad_size_divisor=1024),
    # of 1,203 names a step has 100: those of its objects and random others,
    # rare ones among them
    train_classes=100,
    novel_names=True,
    test_cfg=dict(max_per_img=300),
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
