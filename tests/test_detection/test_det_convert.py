"""Published F-ViT checkpoints of mmdet 2."""

import pytest
import torch
from det_model import build

from declip_mm.checkpoint import read_parts, write_parts
from declip_mm.detection.convert import from_mmdet2


def foreign(model):
    """The model's weights as mmdet 2 and CLIPSelf name them."""
    state = model.state_dict()
    found = {}
    inner = {k: v for k, v in state.items() if k.startswith('backbone.')}
    found.update(write_parts(read_parts(inner), 'f_vit', head_dim=12))
    for key, value in state.items():
        if key.startswith('neck.adapters.'):
            number, rest = key[len('neck.adapters.') :].split('.', 1)
            found[f'backbone.interpolate{int(number) + 1}.{rest}'] = value
        elif key == 'roi_head.bbox_head.fc_cls.tau_det':
            found['roi_head.bbox_head.detect_temperature'] = value
        elif not key.startswith('backbone.'):
            found[key] = value
    head = 'roi_head.bbox_head.'
    found[f'{head}all_embeddings'] = torch.rand(12, 4)
    found[f'{head}fc_cls.weight'] = torch.rand(4, 12)
    found[f'{head}fc_cls.bias'] = torch.rand(4)
    return found


def test_every_tensor_finds_its_place():
    model = build(mask=True, rpn_norm=dict(type='BN'))
    theirs = foreign(model)
    assert 'backbone.interpolate1.0.weight' in theirs
    assert 'backbone.visual.blocks.0.attn.q_bias' in theirs
    found, dropped = from_mmdet2(theirs, 'file')
    wanted = model.state_dict()
    assert set(found) == set(wanted)
    assert all(torch.equal(found[k], wanted[k]) for k in wanted)
    assert len(dropped) == 3
    model.load_state_dict(found)


def test_other_files_are_refused():
    model = build()
    with pytest.raises(ValueError, match='no F-ViT checkpoint'):
        from_mmdet2(model.state_dict(), 'ours.pth')
    theirs = dict(foreign(model), extra=torch.zeros(1))
    with pytest.raises(ValueError, match='extra'):
        from_mmdet2(theirs, 'file')
    theirs = foreign(model)
    theirs['roi_head.bbox_head.bg_embedding'] = torch.zeros(12, 1)
    with pytest.raises(ValueError, match='learned background'):
        from_mmdet2(theirs, 'file')
