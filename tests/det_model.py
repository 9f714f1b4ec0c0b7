"""A tiny F-ViT, and pictures for it."""

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from tiny import backbone_cfg, tiny_eva

NAMES = ['red thing', 'green thing', 'blue thing']
BASE = NAMES[:2]
SIZE = 64


def text_encoder(**options):
    return dict(type='DeCLIPTextEncoder', model=tiny_eva(), **options)


def f_vit_cfg(mask=False, scales=(4, 2, 1, 0.5), rpn_norm=None, **options):
    """A whole F-ViT on the tiny EVA-02 (D = 24, C = 12, patch 16)."""
    strides = [16 / s for s in scales]
    count, norm = len(scales), dict(type='BN')
    extractor = dict(
        type='SingleRoIExtractor',
        out_channels=8,
        featmap_strides=strides,
    )
    align = dict(type='RoIAlign', output_size=3, sampling_ratio=0)
    roi_head = dict(
        type='FViTRoIHead',
        bbox_roi_extractor=dict(extractor, roi_layer=align),
        bbox_head=dict(
            type='ConvFCBBoxHead',
            num_shared_convs=1,
            num_shared_fcs=1,
            num_cls_fcs=1,
            num_reg_fcs=1,
            in_channels=8,
            conv_out_channels=8,
            fc_out_channels=12,
            roi_feat_size=3,
            reg_class_agnostic=True,
            norm_cfg=norm,
            cls_predictor_cfg=dict(type='FViTTextClassifier'),
            loss_cls=dict(
                type='FViTClassificationLoss', background_weight=0.6
            ),
            loss_bbox=dict(type='L1Loss'),
        ),
        vlm_roi_extractor=dict(
            type='SingleRoIExtractor',
            roi_layer=dict(
                type='RoIAlign',
                output_size=1,
                sampling_ratio=0,
                use_torchvision=True,
            ),
            out_channels=12,
            featmap_strides=[16],
        ),
        fusion_alpha=0.1,
        fusion_beta=0.8,
        tau_vlm=45.0,
    )
    rcnn_test = dict(
        score_thr=1e-4, nms=dict(type='nms', iou_threshold=0.5), max_per_img=20
    )
    rcnn_train = dict(
        assigner=dict(
            type='MaxIoUAssigner',
            pos_iou_thr=0.5,
            neg_iou_thr=0.5,
            min_pos_iou=0.5,
            match_low_quality=False,
        ),
        sampler=dict(
            type='RandomSampler',
            num=16,
            pos_fraction=0.25,
            add_gt_as_proposals=True,
        ),
        pos_weight=-1,
        debug=False,
    )
    if mask:
        roi_head.update(
            mask_roi_extractor=dict(
                extractor, roi_layer=dict(align, output_size=4)
            ),
            mask_head=dict(
                type='FCNMaskHead',
                num_convs=1,
                in_channels=8,
                conv_out_channels=8,
                class_agnostic=True,
                num_classes=1,
                loss_mask=dict(type='CrossEntropyLoss', use_mask=True),
            ),
        )
        rcnn_train.update(mask_size=8)
        rcnn_test.update(mask_thr_binary=0.5)
    cfg = dict(
        type='FViT',
        data_preprocessor=dict(pad_size_divisor=SIZE, pad_mask=mask),
        backbone=backbone_cfg(out_indices=(0, 1, 2, 2)[-count:]),
        vocabulary=dict(text_encoder=text_encoder(), prompts='name'),
        neck=dict(
            type='FViTNeck',
            in_channels=[24] * count,
            scales=scales,
            out_channels=8,
            num_outs=count + 1,
            norm_cfg=norm,
        ),
        rpn_head=dict(
            type='FViTRPNHead',
            in_channels=8,
            feat_channels=8,
            num_convs=2,
            norm_cfg=rpn_norm,
            anchor_generator=dict(
                type='AnchorGenerator',
                scales=[2],
                ratios=[0.5, 1.0, 2.0],
                strides=[*strides, 2 * strides[-1]],
            ),
            bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
            loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True),
            loss_bbox=dict(type='L1Loss'),
        ),
        roi_head=roi_head,
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
                    num=16,
                    pos_fraction=0.5,
                    add_gt_as_proposals=False,
                ),
                allowed_border=-1,
                pos_weight=-1,
                debug=False,
            ),
            rpn_proposal=dict(
                nms_pre=50,
                max_per_img=30,
                nms=dict(type='nms', iou_threshold=0.7),
                min_bbox_size=0,
            ),
            rcnn=rcnn_train,
        ),
        test_cfg=dict(
            rpn=dict(
                nms_pre=50,
                max_per_img=30,
                nms=dict(type='nms', iou_threshold=0.7),
                min_bbox_size=0,
            ),
            rcnn=rcnn_test,
        ),
    )
    return ConfigDict(dict(cfg, **options))


def build(**options):
    """A tiny F-ViT with names, built in mmdet's scope."""
    from mmdet.registry import MODELS

    import declip_mm.detection  # noqa: F401  (registers the parts)

    model = MODELS.build(f_vit_cfg(**options))
    model.set_vocabulary(NAMES, BASE)
    return model


def samples(count=2, labels=(0, 1), masks=False):
    """Raw images and their samples, as the data loader gives them."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks

    inputs, found = [], []
    for index in range(count):
        inputs.append(torch.randint(0, 255, (3, 48, SIZE), dtype=torch.uint8))
        sample = DetDataSample()
        sample.set_metainfo(
            dict(
                img_id=index,
                img_shape=(48, SIZE),
                ori_shape=(96, 128),
                scale_factor=(0.5, 0.5),
            )
        )
        instances = InstanceData()
        instances.bboxes = torch.tensor(
            [[4.0, 4, 40, 40], [20, 10, 60, 46]][: len(labels)]
        )
        instances.labels = torch.tensor(labels)
        if masks:
            array = np.zeros((len(labels), 48, SIZE), np.uint8)
            array[:, 10:40, 10:40] = 1
            instances.masks = BitmapMasks(array, 48, SIZE)
        sample.gt_instances = instances
        sample.ignored_instances = InstanceData(
            bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long)
        )
        found.append(sample)
    return dict(inputs=inputs, data_samples=found)
