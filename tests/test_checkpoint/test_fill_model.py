"""Whole models are filled from one file, or not at all."""

import pytest
import torch
import torch.nn as nn
from bad_input import logged
from mmengine.registry import MODELS
from tiny import backbone_cfg

from declip_mm.checkpoint import (
    FingerprintError,
    fill_model,
    save_weights,
    take_whole_only,
)


class Code:
    """Says so if a file's code is run."""

    def __reduce__(self):
        return print, ('code ran',)


def model(seed, **options):
    torch.manual_seed(seed)
    built = nn.Module()
    built.backbone = MODELS.build(backbone_cfg(**options))
    built.head = nn.Linear(3, 2)
    return built


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_everything_comes_from_the_file(tmp_path, suffix):
    source, path = model(0), str(tmp_path / f'a.{suffix}')
    meta = dict(classes=['cat'])
    save_weights(
        source.state_dict(),
        path,
        source.backbone.fingerprint,
        dataset_meta=meta,
    )
    found = model(1)
    assert fill_model(found, path)['dataset_meta'] == meta
    for key, value in source.state_dict().items():
        assert torch.equal(found.state_dict()[key], value), key
    with pytest.raises(FingerprintError, match="'csa', model has 'qq'"):
        fill_model(model(1, affinity='qq'), path)


def test_what_is_missing_is_named(tmp_path):
    weights = model(0).state_dict()
    del weights['head.bias']
    torch.save(dict(state_dict=weights), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r'Missing: head\.bias'):
        fill_model(model(1), str(tmp_path / 'a.pth'))


def test_code_in_the_file_is_not_run(tmp_path, capsys):
    content = dict(state_dict=model(0).state_dict(), args=Code())
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='pickled code.*publish'):
        fill_model(model(1), str(tmp_path / 'a.pth'))
    assert 'code ran' not in capsys.readouterr().out


def test_a_transfer_to_boxes_leaves_the_mask_head_out(tmp_path):
    pytest.importorskip('mmdet')
    from det_model import build

    path = str(tmp_path / 'lvis.pth')
    torch.save(dict(state_dict=build(mask=True).state_dict()), path)
    boxes = build()
    with logged() as lines:
        fill_model(boxes, path)
    assert any('roi_head.mask_head is left out' in line for line in lines)
    take_whole_only(boxes)  # as the runner has it, by mmengine's loading
    boxes.load_state_dict(torch.load(path)['state_dict'], strict=False)
    torch.save(dict(state_dict=boxes.state_dict()), path)
    with pytest.raises(ValueError, match=r'Missing: roi_head\.mask_head'):
        fill_model(build(mask=True), path)
