"""What trains: exact names per family and policy."""

import re

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from tiny_cat_seg import segmentor

TEXT = 'text_encoder.tower.transformer.resblocks.0.attn.'
EVA = 'backbone.visual.trunk.blocks.{}.attn.{}_proj.weight'
OPENAI = 'backbone.visual.trunk.transformer.resblocks.{}.attn.{}_proj'


def trainable(model):
    return {
        name
        for name, p in model.named_parameters()
        if p.requires_grad and not name.startswith('decode_head.')
    }


def test_attention_policy_of_eva():
    """q and v of every image block, the text tower's fused matrix."""
    wanted = {EVA.format(i, n) for i in range(3) for n in 'qv'}
    wanted.add(f'{TEXT}in_proj_weight')
    assert trainable(segmentor()) == wanted


def test_attention_policy_of_openai():
    """q and v of both towers; the last q has no part in maskclip_cls."""
    wanted = {
        f'{OPENAI.format(i, n)}.weight' for i in range(3) for n in 'qv'
    } - {f'{OPENAI.format(2, "q")}.weight'}
    wanted |= {f'{TEXT}{n}_proj.weight' for n in 'qv'}
    assert trainable(segmentor('openai')) == wanted


@pytest.mark.parametrize('family', ['eva', 'openai'])
def test_full_and_none(family):
    model = segmentor(family, finetune='none')
    assert trainable(model) == set()
    assert model.trainable['image'] == model.trainable['text'] == 0
    assert all(p.requires_grad for p in model.decode_head.parameters())
    full = segmentor(family, finetune='full').train()
    assert not [n for n, _ in full.named_parameters() if 'logit' in n]
    names = trainable(full)
    assert any('k_proj' in n for n in names) and any(
        '.mlp.' in n for n in names
    )
    # a decoupled last block has no FFN: what is never used stays frozen
    assert not any('blocks.2.mlp' in n for n in names) or family == 'openai'


def test_towers_may_have_different_policies():
    model = segmentor(finetune=dict(image='attention', text='none'))
    assert model.trainable['text'] == 0 < model.trainable['image']
    assert not any('text' in name for name in trainable(model))


def test_counts_are_logged_and_right(monkeypatch):
    lines = []
    monkeypatch.setattr(
        'declip_mm.segmentation.cat_seg.finetune.print_log',
        lambda text, **_: lines.append(text),
    )
    model = segmentor()
    assert model.trainable['image'] == 3 * 2 * 24 * 24
    assert model.trainable['text'] == 3 * 16 * 16
    assert re.fullmatch(
        r'trainable: image 0\.00 M / text 0\.00 M / head 0\.03 M', lines[0]
    )


@pytest.mark.parametrize(
    'finetune, message',
    [
        ('qkv', "finetune='qkv' of the image tower is unknown"),
        (dict(image='full'), "the keys 'image' and 'text'"),
    ],
)
def test_unknown_policies_are_refused(finetune, message):
    with pytest.raises(ValueError, match=message):
        segmentor(finetune=finetune)


def test_a_policy_that_trains_nothing_is_an_error():
    """EVA blocks with a fused qkv: no q_proj, no v_proj."""
    from declip_mm.segmentation.cat_seg.finetune import apply_finetune

    model = segmentor()
    for block in model.backbone.visual.blocks:
        block.attn.q_proj = None
    with pytest.raises(ValueError, match='found no q_proj in the'):
        apply_finetune(
            model.backbone,
            model.text_encoder,
            model.decode_head,
            'attention',
        )


def test_upsamplers_learn_at_the_full_rate_and_towers_slowly():
    wrapper = build_optim_wrapper(
        segmentor(),
        dict(
            type='OptimWrapper',
            constructor='TrainableConstructor',
            optimizer=dict(type='AdamW', lr=2e-4, weight_decay=1e-4),
            paramwise_cfg=dict(
                norm_decay_mult=0.0,
                custom_keys={
                    'backbone': dict(lr_mult=0.01),
                    'text_encoder': dict(lr_mult=0.01),
                },
            ),
        ),
    )
    model = segmentor()
    rates = {}
    for group in wrapper.param_groups:
        for p in group['params']:
            if p.requires_grad:
                rates.setdefault(round(group['lr'], 9), []).append(p.numel())
    head = sum(p.numel() for p in model.decode_head.parameters())
    assert sum(rates[2e-4]) == head
    assert sum(rates[2e-6]) == 3 * 2 * 24 * 24 + 3 * 16 * 16
    decays = {
        group['weight_decay']
        for group in wrapper.param_groups
        if group['lr'] == 2e-4
    }
    assert decays == {0.0, 1e-4}


def test_splitting_changes_no_feature():
    """k, v and q apart are the same attention, mask included."""
    fused = segmentor('openai', finetune='none').eval()
    assert 'in_proj' not in ' '.join(
        n for n, _ in fused.text_encoder.named_parameters()
    )
    from mmseg.registry import MODELS
    from tiny import tiny_openai

    plain = MODELS.build(
        dict(type='TrainableTextEncoder', model=tiny_openai())
    )
    split = MODELS.build(
        dict(
            type='TrainableTextEncoder',
            model=tiny_openai(),
            split_attention=True,
        )
    )
    split.load_state_dict(plain.state_dict())  # fused names are split
    texts = ['cat', 'a much longer text about a dog']
    with torch.no_grad():
        assert torch.allclose(split(texts), plain(texts), atol=1e-5)
