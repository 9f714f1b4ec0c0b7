"""Checkpoints of whole models are told from their keys."""

import pytest
import torch
from tiny import backbone_cfg, tiny_eva
from tool_modules import load_tool

from declip_mm.checkpoint import (
    FINGERPRINT_KEY,
    consumer_of,
    describe,
    refuse_consumer,
)
from declip_mm.checkpoint.consumers import (
    BACKBONE,
    CAT_SEG,
    F_VIT,
    OV_DQUO,
    PROPOSER,
)

KEYS = {
    CAT_SEG: ('backbone.visual.trunk.a', 'text_encoder.tower.b'),
    F_VIT: ('backbone.visual.trunk.a', 'roi_head.b', 'rpn_head.c'),
    OV_DQUO: ('backbone.visual.trunk.a', 'dn_query_generator.b'),
    PROPOSER: (
        'backbone.visual.trunk.a',
        'roi_head.bbox_head.fc_cls.weight',
    ),
    BACKBONE: ('backbone.visual.trunk.a', 'text.b'),
    None: ('visual.trunk.a', 'text.b'),
}


@pytest.mark.parametrize('consumer', KEYS)
def test_consumer_of(consumer):
    assert consumer_of(KEYS[consumer]) == consumer


@pytest.mark.parametrize('found', KEYS)
@pytest.mark.parametrize('wanted', KEYS)
def test_refusal(found, wanted):
    def act():
        refuse_consumer(KEYS[found], 'a.pth', wanted, 'the model')

    whole = wanted in (CAT_SEG, F_VIT, OV_DQUO, PROPOSER)
    if found == wanted or (found is None and not whole):
        act()
        return
    with pytest.raises(ValueError) as error:
        act()
    for side in (found, wanted):
        if side is not None:
            assert side.name in str(error.value)
    assert str(error.value).startswith('a.pth is ')
    assert ('would stay random' in str(error.value)) == (
        whole and found in (None, BACKBONE)
    )


def f_vit():
    from det_model import f_vit_cfg
    from mmdet.registry import MODELS
    from mmengine.registry import init_default_scope

    import declip_mm.detection  # noqa: F401  (registers the parts)

    init_default_scope('mmdet')
    return MODELS.build(f_vit_cfg()), 'backbone'


def ov_dquo():
    from ov_dquo_model import build

    f_vit()  # its scope
    return build(), 'backbone'


def cat_seg():
    from tiny_cat_seg import segmentor

    return segmentor(names=None), 'backbone'


@pytest.mark.parametrize('build', [f_vit, ov_dquo, cat_seg])
def test_our_own_checkpoints_are_described(build, tmp_path):
    model, module = build()
    path = tmp_path / 'epoch_1.pth'
    said = getattr(model, module).fingerprint
    meta = {FINGERPRINT_KEY: said}
    torch.save(dict(meta=meta, state_dict=model.state_dict()), path)
    found = describe(str(path))
    assert found['strange'] == []
    tower = found['tower']
    assert (tower['kind'], tower['width'], tower['num_layers']) == (
        'eva',
        24,
        3,
    )
    counted = sum(part['tensors'] for part in found['parts'].values())
    assert counted == len(model.state_dict())
    assert found['parts']['beside']['tensors'] > 20
    lines = '\n'.join(
        load_tool('model_converters/inspect_checkpoint.py').lines(found)
    )
    whose = consumer_of(model.state_dict())
    assert f'consumer     {whose.name}, for {whose.configs}.' in lines


def test_an_exported_backbone_is_one(tmp_path):
    from mmengine.registry import MODELS

    model = MODELS.build(backbone_cfg(tiny_eva()))
    state = {f'backbone.{k}': v for k, v in model.state_dict().items()}
    torch.save(state, tmp_path / 'a.pth')
    found = describe(str(tmp_path / 'a.pth'))
    assert found['consumer'].startswith('a pre-finetuned backbone, for ')
