"""A tiny F-ViT, and pictures for it."""

from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.structures import InstanceData
from tiny import backbone_cfg, tiny_eva

NAMES = ['red thing', 'green thing', 'blue thing']
BASE = NAMES[:2]
SIZE = 64
CONFIG = Path(__file__).parents[1] / 'configs/_base_/models/f_vit_eva02-b16.py'


def text_encoder(**options):
    return dict(type='DeCLIPTextEncoder', model=tiny_eva(), **options)


def f_vit_cfg(mask=False, scales=(4, 2, 1, 0.5), rpn_norm=None, **options):
    """The shipped F-ViT on the tiny EVA-02 (D = 24, C = 12, patch 16)."""
    cfg = Config.fromfile(CONFIG)
    strides = [16 / s for s in scales]
    count, norm = len(scales), dict(type='BN')
    width = dict(in_channels=8, conv_out_channels=8, norm_cfg=norm)
    levels = dict(out_channels=8, featmap_strides=strides)
    few = dict(nms_pre=50, max_per_img=30)
    tiny = dict(
        data_preprocessor=dict(pad_size_divisor=SIZE, pad_mask=mask),
        backbone=backbone_cfg(
            out_indices=(0, 1, 2, 2)[-count:], _delete_=True
        ),
        embedder=dict(
            text_encoder=text_encoder(), prompts='name', _delete_=True
        ),
        neck=dict(
            in_channels=[24] * count,
            scales=scales,
            out_channels=8,
            num_outs=count + 1,
            norm_cfg=norm,
        ),
        rpn_head=dict(
            in_channels=8,
            feat_channels=8,
            norm_cfg=rpn_norm,
            anchor_generator=dict(
                scales=[2], strides=[*strides, 2 * strides[-1]]
            ),
        ),
        roi_head=dict(
            fusion_alpha=0.1,
            fusion_beta=0.8,
            tau_vlm=45.0,
            bbox_roi_extractor=dict(levels, roi_layer=dict(output_size=3)),
            vlm_roi_extractor=dict(out_channels=12),
            bbox_head=dict(
                width,
                num_shared_convs=1,
                num_shared_fcs=1,
                fc_out_channels=12,
                roi_feat_size=3,
            ),
        ),
        train_cfg=dict(
            rpn=dict(sampler=dict(num=16)),
            rpn_proposal=few,
            rcnn=dict(sampler=dict(num=16)),
        ),
        test_cfg=dict(
            rpn=few,
            # untrained scores are small
            rcnn=dict(
                score_thr=1e-4, nms=dict(iou_threshold=0.5), max_per_img=20
            ),
        ),
    )
    if mask:
        cfg.merge_from_dict(dict(model=cfg.lvis))
        tiny['roi_head'].update(
            mask_roi_extractor=dict(levels, roi_layer=dict(output_size=4)),
            mask_head=dict(width, num_convs=1),
        )
        tiny['train_cfg']['rcnn'].update(mask_size=8)
    cfg.merge_from_dict(dict(model=tiny))
    return ConfigDict(dict(cfg.model, **options))


def build(**options):
    """A tiny F-ViT with names, built in mmdet's scope."""
    from mmdet.registry import MODELS

    import declip_mm.detection  # noqa: F401  (registers the parts)

    model = MODELS.build(f_vit_cfg(**options))
    model.set_vocabulary(NAMES, base=BASE)
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
