"""Attention as it is read against attention as it acts."""

import pytest
import torch
from mmengine.registry import MODELS
from tiny import backbone_cfg, tiny_eva, tiny_openai

from declip_mm.visualization import attention_by_layer

IMAGE = torch.randn(2, 3, 96, 64, generator=torch.Generator().manual_seed(1))


def build(model, **options):
    backbone = MODELS.build(backbone_cfg(model, **options)).eval()
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.normal_(std=0.5)
    return backbone


@pytest.mark.parametrize('model', [tiny_eva(), tiny_openai()])
@pytest.mark.parametrize('affinity', ['vanilla', 'qq', 'csa'])
def test_every_layer_is_read(model, affinity):
    backbone = build(model, affinity=affinity)
    layers = attention_by_layer(backbone, IMAGE)
    assert len(layers) == 3
    for layer in layers:
        assert (layer.num_prefix, layer.grid) == (1, (6, 4))
        assert layer.weights.shape == (2, 25, 25)
        torch.testing.assert_close(
            layer.weights.sum(-1), torch.ones(2, 25), atol=1e-5, rtol=0
        )
        assert layer.patches.shape == (2, 25, 24)
        assert layer.weights.std() > 1e-3


@torch.no_grad()
def last_input(backbone):
    tower = backbone.visual
    x, grid = tower.embed(IMAGE)
    for index in range(2):
        x = tower.run_block(index, x, grid)
    return x


@pytest.mark.parametrize('model', [tiny_eva(), tiny_openai()])
def test_decoupled_layer_is_the_affinity(model):
    backbone = build(model, affinity='csa', scale=0.7)
    q, k, _ = backbone.visual.last_qkv(last_input(backbone))
    wanted = sum((0.7 * t @ t.mT).softmax(-1).mean(dim=1) / 2 for t in (q, k))
    found = attention_by_layer(backbone, IMAGE, rows=[0, 3, 24])[-1]
    torch.testing.assert_close(found.weights, wanted[:, [0, 3, 24]])


@torch.no_grad()
def test_fused_and_split_projections_agree():
    """open_clip's own attention and ours of the last block."""
    backbone = build(tiny_openai(), affinity='vanilla')
    blocks = backbone.visual.trunk.transformer.resblocks
    split, fused = blocks[-1].attn, blocks[0].attn
    weight, bias = fused.in_proj_weight, fused.in_proj_bias
    for name, w, b in zip('qkv', weight.chunk(3), bias.chunk(3)):
        layer = getattr(split, f'{name}_proj')
        layer.weight.copy_(w)
        layer.bias.copy_(b)
    blocks[-1].ln_1.load_state_dict(blocks[0].ln_1.state_dict())
    x, _ = backbone.visual.embed(IMAGE)
    # every block sees the same tokens
    backbone.visual.run_block = lambda index, tokens, grid: blocks[index](x)
    first, _, last = attention_by_layer(backbone, IMAGE)
    torch.testing.assert_close(first.weights, last.weights)


def test_maskclip_has_no_attention_in_its_last_layer():
    backbone = build(tiny_openai(), affinity='maskclip')
    assert len(attention_by_layer(backbone, IMAGE)) == 2


def test_another_kind_of_attention_is_refused():
    class Backbone(torch.nn.Module):
        visual = torch.nn.Identity()

        def forward_dense(self, image):
            return type('Dense', (), dict(content=image))

    with pytest.raises(RuntimeError, match='Identity called none of'):
        attention_by_layer(Backbone(), IMAGE)
