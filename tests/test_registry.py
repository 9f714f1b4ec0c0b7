"""Bare type names build in every OpenMMLab scope."""

import importlib

import pytest
import torch
from mmengine.registry import MODELS as ROOT
from tiny import backbone_cfg, distiller_cfg

import declip_mm

SCOPES = ('mmdet', 'mmseg', 'mmpretrain')


@pytest.mark.parametrize('scope', SCOPES)
@pytest.mark.parametrize('prefix', ['', 'declip_mm.'])
def test_backbone_builds_in_scope(scope, prefix):
    registry = importlib.import_module(f'{scope}.registry').MODELS
    importlib.import_module(f'{scope}.models')
    cfg = backbone_cfg()
    cfg['type'] = prefix + cfg['type']
    model = registry.build(cfg)
    assert type(model) is declip_mm.DeCLIPViT
    (feature,) = model(torch.randn(1, 3, 32, 48))
    assert feature.shape == (1, 24, 2, 3)


@pytest.mark.parametrize('scope', SCOPES)
def test_no_name_is_taken(scope):
    """A child scope's class of the same name would shadow ours."""
    module = importlib.import_module(f'{scope}.registry')
    importlib.import_module(f'{scope}.models')
    importlib.import_module(f'{scope}.datasets')
    for kind in ('MODELS', 'DATASETS', 'TRANSFORMS', 'METRICS', 'HOOKS'):
        root = importlib.import_module('mmengine.registry')
        ours = {
            name
            for name, cls in getattr(root, kind).module_dict.items()
            if getattr(cls, '__module__', '').startswith('declip_mm')
        }
        assert ours or kind == 'TRANSFORMS'
        assert not ours & set(getattr(module, kind).module_dict)


def test_distiller_builds_from_root():
    model = ROOT.build(distiller_cfg())
    assert type(model) is declip_mm.DecoupledDistiller
