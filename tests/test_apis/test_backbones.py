"""Backbones that tools compare, from their command lines."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from declip_mm.apis import (
    OptionError,
    list_models,
    load_backbone,
    load_vfm,
    read_lines,
)
from declip_mm.miniature import vfm

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / 'configs/region_cls/declip_tiny_coco-panoptic.py')
TINY = 'declip_mm://miniature/tiny_clip.json'


def test_lines_have_labels_configs_and_weights(tmp_path):
    files = [tmp_path / 'a.pth', tmp_path / 'b.pth']
    for file in files:
        torch.save({'x': torch.zeros(1)}, file)
    found = read_lines(
        'c.py',
        ['original', 'none', str(files[0]), f'my own={files[1]}'],
        ['my own=d.py'],
    )
    assert found == {
        'original': ('c.py', 'original'),
        'none': ('c.py', 'none'),
        'a': ('c.py', str(files[0])),
        'my own': ('d.py', str(files[1])),
    }
    assert read_lines('ViT-B-16', ['CLIP=openai']) == {
        'CLIP': ('ViT-B-16', 'openai')
    }


@pytest.mark.parametrize(
    'entries, others, said',
    [
        (['none', 'none'], [], "two lines are called 'none'"),
        (['none'], ['x=c.py'], "no line is called 'x', only none"),
        (['missing.pth'], [], 'no checkpoint file missing.pth'),
    ],
)
def test_wrong_lines_are_refused(entries, others, said):
    with pytest.raises(OptionError, match=said):
        read_lines('c.py', entries, others)


def test_weights_by_word_and_by_file(tmp_path):
    named = load_backbone(CONFIG, 'none')
    original = load_backbone(CONFIG, 'original')
    assert not named.training
    assert named.last_block.affinity == 'qq'
    assert original.last_block.affinity == 'vanilla'
    for key, value in named.state_dict().items():
        assert torch.equal(original.state_dict()[key], value)
    path = tmp_path / 'own.pth'
    weights = {f'backbone.{k}': v + 1 for k, v in named.state_dict().items()}
    torch.save(dict(state_dict=weights, meta={}), path)
    loaded = load_backbone(CONFIG, str(path))
    by_name = load_backbone(TINY, str(path), affinity='csa')
    assert by_name.last_block.affinity == 'csa'
    for key, value in named.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value + 1)
        assert torch.equal(by_name.state_dict()[key], value + 1)


class Recorder:
    def __init__(self, *arguments):
        self.arguments = arguments

    def init_weights(self):
        pass


def test_the_miniature_vfm_is_that_of_its_config(monkeypatch):
    monkeypatch.setattr(vfm, 'fetch_vit_s', lambda: 'file')
    monkeypatch.setattr(vfm, 'VFMTeacher', Recorder)
    cfg = Config.fromfile(ROOT / 'configs/miniature/pretune.py')
    teacher = cfg.model.context_teacher.teacher
    wanted = teacher.model, 'file', teacher.layer, teacher.norm
    assert load_vfm('miniature').arguments == wanted


def test_models_that_can_be_decoupled_are_listed():
    assert list_models('eva02-b-16') == ['EVA02-B-16']
    both = list_models('ViT-B-16*')
    assert {'ViT-B-16', 'ViT-B-16-quickgelu', 'ViT-B-16-SigLIP2'} <= set(both)
    # a ResNet has no last block, this giant one fused projection in each
    assert list_models('RN50*') == list_models('EVA02-E-14') == []


def test_what_a_user_wants_is_in_the_package():
    import declip_mm

    assert declip_mm.list_models is list_models
    assert declip_mm.load_backbone is load_backbone
    assert set(declip_mm.__all__) <= set(dir(declip_mm)) | {
        'list_models',
        'load_backbone',
    }
    with pytest.raises(AttributeError, match='has no'):
        declip_mm.load_backbon  # noqa: B018
