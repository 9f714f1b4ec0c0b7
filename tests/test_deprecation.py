"""What was renamed is still read, and says so."""

import importlib

import pytest
import torch
from mmengine.registry import HOOKS, MODELS
from tiny import backbone_cfg, tiny_eva

from declip_mm.checkpoint import FINGERPRINT_KEY
from declip_mm.checkpoint.describe import describe
from declip_mm.deprecation import (
    dropped_arguments,
    renamed_arguments,
    take_new_names,
)
from declip_mm.models import VFMCache, ZeroShotModel
from declip_mm.registration import import_classes

pytestmark = pytest.mark.usefixtures('said')
import_classes()


@renamed_arguments(colour='color')
def paint(color='red'):
    """Paint."""
    return color


def test_an_old_argument_is_read_with_one_notice(said):
    assert paint(colour='blue') == paint(colour='blue') == 'blue'
    assert [line.split(' now;')[0] for line in said] == [
        'paint: colour is called color'
    ]


def test_new_names_are_silent(said):
    assert (paint(), paint('blue'), paint(color='blue')) == (
        'red',
        'blue',
        'blue',
    )
    assert paint.__doc__ == 'Paint.' and not said


def test_both_names_are_refused():
    with pytest.raises(TypeError, match='got color and its old name colour'):
        paint(color='blue', colour='blue')


class Paint:
    @renamed_arguments(colour='color')
    @dropped_arguments(smell='paint has none')
    def __init__(self, color):
        self.color = color


def test_a_dropped_argument_is_said(said):
    assert Paint('red', smell='sweet').color == 'red'
    assert said == ["Paint: smell='sweet' is read no more: paint has none."]


def test_a_config_takes_its_new_names_everywhere(said):
    """Bases of ours have the new name, the leaf of a user the old one."""
    old = dict(
        model=[dict(type='any.Paint', colour=dict(hue=1, tone=dict(a=2)))],
        hook=dict(type=Paint, smell='', colour='red'),
        other=dict(colour=3),
    )
    old['model'][0]['color'] = dict(hue=0, tone=dict(b=3))
    take_new_names(old)
    assert old == dict(
        model=[dict(type='any.Paint', color=dict(hue=1, tone=dict(a=2, b=3)))],
        hook=dict(type=Paint, color='red'),
        other=dict(colour=3),
    )
    assert len(said) == 2
    replaced = dict(type='Paint', color=dict(a=1), colour=dict(_delete_=True))
    take_new_names(replaced)
    assert replaced['color'] == {}


def test_old_types_of_a_config_are_brought_up_to_date(said):
    config = dict(
        custom_hooks=[dict(type='CATSegVocabularyHook')],
        model=dict(context_teacher=dict(type='TeacherCache', path='x.npy')),
    )
    take_new_names(config)
    assert config['custom_hooks'] == [dict(type='VocabularyHook')]
    assert config['model']['context_teacher']['type'] == 'VFMCache'
    assert len(said) == 2


def test_old_types_build_the_new_classes(said, tmp_path):
    model = MODELS.build(
        dict(
            type='OpenVocabEvaluator',
            backbone=backbone_cfg(),
            predictor=dict(
                type='OpenVocabPredictor',
                text_encoder=dict(type='DeCLIPTextEncoder', model=tiny_eva()),
            ),
        )
    )
    assert type(model) is ZeroShotModel
    assert "type='OpenVocabEvaluator' is called 'ZeroShotModel'" in said[0]
    with pytest.raises((OSError, ValueError)):  # there is no such cache
        MODELS.build(dict(type='TeacherCache', path=str(tmp_path / 'x.npy')))
    assert VFMCache.__name__ in said[1]


def test_the_hook_takes_its_old_argument(said):
    hook = HOOKS.build(dict(type='FingerprintHook', licence='MIT'))
    assert hook.license == 'MIT' and len(said) == 1


def test_old_fingerprints_say_their_license(tmp_path):
    backbone = MODELS.build(backbone_cfg())
    path = tmp_path / 'old.pth'
    meta = {FINGERPRINT_KEY: {**backbone.fingerprint, 'licence': 'MIT'}}
    torch.save(dict(state_dict=backbone.state_dict(), meta=meta), path)
    assert describe(str(path))['license'] == 'MIT'


@pytest.mark.parametrize(
    'old, new',
    [
        ('models.TeacherCache', 'VFMCache'),
        ('models.OpenVocabEvaluator', 'ZeroShotModel'),
        ('visualization.PagePicture', 'PageImage'),
        ('detection.DetVocabularyHook', 'VocabularyHook'),
        ('segmentation.SegVocabularyHook', 'VocabularyHook'),
        ('segmentation.cat_seg.CATSegVocabularyHook', 'VocabularyHook'),
    ],
)
def test_a_class_is_imported_by_its_old_name(old, new, said):
    package, _, name = f'declip_mm.{old}'.rpartition('.')
    if 'Hook' in name:
        pytest.importorskip('mmcv')
    module = importlib.import_module(package)
    assert getattr(module, name).__name__ == new
    assert [line for line in said if f'{name} is called' in line]
    assert not hasattr(module, f'{name}s')
