"""A tiny OV-DQUO, and pictures for it."""

from pathlib import Path

import torch
from det_model import BASE, NAMES, SIZE, samples, text_encoder
from mmengine.config import Config, ConfigDict
from tiny import backbone_cfg

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / 'configs/_base_/models/ov_dquo_eva02-b16.py'


def ov_dquo_cfg(**options):
    """The shipped OV-DQUO on the tiny EVA-02 (D = 24, C = 12, patch 16)."""
    cfg = Config.fromfile(CONFIG)
    attention = dict(embed_dims=16, num_heads=2)
    ffn = dict(embed_dims=16, feedforward_channels=32)
    layer = dict(self_attn_cfg=attention, ffn_cfg=ffn)
    cfg.merge_from_dict(
        dict(
            model=dict(
                data_preprocessor=dict(pad_size_divisor=SIZE),
                backbone=backbone_cfg(out_indices=(0, 1, 2), _delete_=True),
                embedder=dict(
                    text_encoder=text_encoder(), prompts='name', _delete_=True
                ),
                neck=dict(
                    in_channels=[24] * 3,
                    out_channels=16,
                    norm_cfg=dict(num_groups=4),
                ),
                num_queries=20,
                positional_encoding=dict(num_feats=8),
                encoder=dict(num_layers=2, layer_cfg=layer),
                decoder=dict(
                    num_layers=2,
                    layer_cfg=dict(layer, cross_attn_cfg=attention),
                ),
                bbox_head=dict(embed_dims=16),
                dn_cfg=dict(num_dn_queries=60),
                train_classes=2,
                # untrained scores are small
                test_cfg=dict(score_thr=0.0),
            )
        )
    )
    return ConfigDict(dict(cfg.model, **options))


def build(**options):
    """A tiny OV-DQUO with names and weights, built in mmdet's scope."""
    from mmdet.registry import MODELS

    import declip_mm.detection  # noqa: F401  (registers the parts)

    torch.manual_seed(0)
    model = MODELS.build(ov_dquo_cfg(**options))
    model.init_weights()
    model.set_vocabulary(NAMES, base=BASE)
    return model


def pictures(count=2, labels=(0, -1), weights=None):
    """Raw pictures and their samples; label -1 is a pseudo object."""
    data = samples(count, labels or (0,))
    for sample in data['data_samples']:
        if not labels:
            sample.gt_instances = sample.gt_instances[:0]
        objects = sample.gt_instances
        given = torch.ones(len(labels)) if weights is None else weights
        objects.fg_weights = torch.as_tensor(given).float()
    return data


def losses_of(model, data=None):
    """Losses of a step, by name."""
    model.train()
    data = model.data_preprocessor(data or pictures(), True)
    return model(**data, mode='loss')
