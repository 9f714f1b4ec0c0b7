# CAT-Seg (CVPR 2024) at full size; towers and sizes come from the leaf.
model = dict(
    type='OVCATSegmentor',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        # mean, std and RGB: the backbone's
        size=(384, 384),
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(type='DeCLIPViT'),
    text_encoder=dict(type='TrainableTextEncoder'),
    decode_head=dict(
        type='CATSegHead',
        loss_decode=dict(type='OVBCELoss', ignore_as_negative=True),
    ),
    finetune='attention',
    templates='A photo of a {} in the scene',
    test_cfg=dict(
        mode='catseg',
        size=(640, 640),
        crop=384,
        stride=256,
        with_global=True,
        class_chunk=32,
    ),
)
