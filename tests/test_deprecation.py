"""What was renamed is still read, and says so."""

import pytest
import torch
from mmengine.registry import HOOKS, MODELS
from tiny import backbone_cfg, tiny_eva

from declip_mm import deprecation
from declip_mm.checkpoint import FINGERPRINT_KEY
from declip_mm.checkpoint.describe import describe
from declip_mm.deprecation import renamed_arguments
from declip_mm.models import VFMCache, ZeroShotModel


@pytest.fixture(autouse=True)
def said(monkeypatch):
    lines: list[str] = []
    monkeypatch.setattr(deprecation, '_said', set())
    monkeypatch.setattr(
        deprecation, 'print_log', lambda text, **_: lines.append(text)
    )
    return lines


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
