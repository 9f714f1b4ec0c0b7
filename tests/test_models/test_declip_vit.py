"""Contract of the backbone: shapes, taps, freezing, refusals."""

import pytest
import torch
from mmengine.registry import MODELS
from tiny import TOWERS, backbone_cfg, tiny_eva

from declip_mm.models import DeCLIPViT, declip_vit
from declip_mm.models.attention import AFFINITIES

POOLING = ('siglip', 'pe')


def build(tower='eva', **options):
    torch.manual_seed(0)
    return MODELS.build(backbone_cfg(TOWERS[tower](), **options)).eval()


@pytest.mark.parametrize('tower', TOWERS)
@pytest.mark.parametrize('affinity', AFFINITIES)
@pytest.mark.parametrize('size', [(64, 64), (96, 48), (16, 128)])
def test_dense_shapes(tower, affinity, size):
    if affinity == 'maskclip_cls' and tower in POOLING:
        with pytest.raises(ValueError, match="does not do. Use 'maskclip'"):
            build(tower, affinity=affinity)
        return
    model = build(tower, affinity=affinity)
    dense = model.forward_dense(torch.randn(2, 3, *size), taps=(0, 2, -1))
    grid = (size[0] // 16, size[1] // 16)
    out_dim = 24 if tower == 'siglip' else 12
    assert dense.content.shape == (2, out_dim, *grid)
    assert [t.shape for t in dense.taps] == [(2, 24, *grid)] * 3
    names = AFFINITIES[affinity].context
    width = 24 if names else out_dim
    assert len(dense.context) == max(1, len(names))
    for tensor in dense.context:
        assert tensor.shape == (2, grid[0] * grid[1], width)


@pytest.mark.parametrize('tower', TOWERS)
def test_batch_does_not_matter(tower):
    model = build(tower)
    images = torch.randn(3, 3, 48, 64)
    alone = torch.cat([model.forward_dense(i[None]).content for i in images])
    together = model.forward_dense(images).content
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('tower', TOWERS)
def test_image_embedding_is_the_librarys_own(tower):
    model = build(tower)
    image = torch.randn(2, 3, 64, 64)
    trunk = model.visual.trunk
    torch.testing.assert_close(
        model.forward_image(image), trunk(image), rtol=1e-4, atol=1e-5
    )


def test_forward_gives_maps_at_out_indices():
    model = build(out_indices=(0, -1))
    image = torch.randn(1, 3, 32, 48)
    maps = model(image)
    dense = model.forward_dense(image, taps=(0, 2))
    assert len(maps) == 2
    for found, wanted in zip(maps, dense.taps):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize('tower', TOWERS)
@pytest.mark.parametrize('last_tap', ['decoupled', 'vanilla', 'maskclip'])
def test_last_tap(last_tap, tower):
    model = build(tower, last_tap=last_tap)
    image = torch.randn(1, 3, 32, 32)
    (tap,) = model(image)
    affinity = 'csa' if last_tap == 'decoupled' else last_tap
    other = build(tower, affinity=affinity)
    tokens = tap.flatten(2).transpose(1, 2)
    content = (
        model.visual.project(tokens).transpose(1, 2).unflatten(-1, (2, 2))
    )
    torch.testing.assert_close(content, other.forward_dense(image).content)


def test_residual_and_ffn_options_change_the_block():
    image = torch.randn(1, 3, 32, 32)
    plain = build(affinity='csa').forward_dense(image).content
    sclip = build(affinity='csa', residual=True, ffn=True)
    assert not torch.allclose(plain, sclip.forward_dense(image).content)


def frozen(model):
    return {n for n, p in model.named_parameters() if not p.requires_grad}


@pytest.mark.parametrize('tower', TOWERS)
@pytest.mark.parametrize('affinity', ['qq', 'kk', 'vv', 'csa', 'all'])
def test_every_trainable_parameter_gets_a_gradient(tower, affinity):
    model = build(tower, affinity=affinity).train()
    dense = model.forward_dense(torch.randn(1, 3, 48, 48))
    (dense.content.square().sum() + dense.context[0].sum()).backward()
    for name, parameter in model.named_parameters():
        moved = parameter.grad is not None and parameter.grad.any()
        # softmax is blind to a constant key shift: a key's bias alone
        if parameter.requires_grad and not name.endswith('k_proj.bias'):
            assert moved, name
        if not parameter.requires_grad:
            assert parameter.grad is None, name


def test_unused_projection_and_ffn_are_frozen():
    names = frozen(build('eva', affinity='qq'))
    last = 'visual.trunk.blocks.2.'
    assert f'{last}attn.k_proj.weight' in names
    assert f'{last}attn.q_proj.weight' not in names
    assert f'{last}norm2.weight' in names
    assert any('blocks.2.mlp' in n for n in names)
    assert not any('blocks.1.' in n for n in names)
    names = frozen(build('openai', affinity='kk'))
    last = 'visual.trunk.transformer.resblocks.2.attn.'
    assert {f'{last}q_proj.weight', f'{last}q_proj.bias'} <= names
    assert f'{last}k_proj.weight' not in names
    names = frozen(build('siglip', affinity='vv'))
    last = 'visual.trunk.attn_pool.'
    idle = {f'{last}{n}' for n in ('q.weight', 'k.bias', 'latent')}
    assert idle <= names
    assert not any('mlp' in n or '.v.' in n for n in names)


@pytest.mark.parametrize('tower', TOWERS)
def test_frozen_stages(tower):
    model = build(tower, frozen_stages=2, train_head=False)
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    own = ('blocks.2.', 'attn_pool.')
    assert trained and all(any(o in n for o in own) for n in trained)
    stages = 4 if tower in POOLING else 3
    assert model.visual.num_stages == stages
    all_frozen = build(tower, frozen_stages=stages, train_head=False)
    assert not any(p.requires_grad for p in all_frozen.parameters())
    with pytest.raises(ValueError, match=f'frozen_stages={stages + 1}'):
        build(tower, frozen_stages=stages + 1)


@pytest.mark.parametrize('tower', TOWERS)
def test_layer_depth(tower):
    model = build(tower)
    depths = {
        n: model.get_layer_depth(f'backbone.{n}')
        for n, _ in model.named_parameters()
    }
    stages = model.visual.num_stages
    assert {d for d, _ in depths.values()} == set(range(stages + 2))
    assert {total for _, total in depths.values()} == {stages + 2}
    if tower in POOLING:
        pool = 'visual.trunk.attn_pool.proj.weight'
        assert depths[pool][0] == stages
    assert all(d[0] == 2 for n, d in depths.items() if 'blocks.1.' in n)


@pytest.mark.parametrize('tower', TOWERS)
def test_with_cp_changes_nothing(tower):
    image = torch.randn(1, 3, 32, 32)
    gradients = []
    for with_cp in (False, True, 1):
        model = build(tower, with_cp=with_cp).train()
        model.forward_dense(image).content.sum().backward()
        gradients.append(
            [p.grad for p in model.parameters() if p.grad is not None]
        )
    torch.testing.assert_close(gradients[1], gradients[0])
    torch.testing.assert_close(gradients[2], gradients[0])


@pytest.mark.parametrize(
    'with_cp, wanted', [(False, []), (2, [0, 1]), (True, [0, 1])]
)
def test_with_cp_counts_blocks(with_cp, wanted, monkeypatch):
    recomputed = []

    def watch(function, index, *args, use_reentrant):
        recomputed.append(index)
        return function(index, *args)

    monkeypatch.setattr(declip_vit, 'checkpoint', watch)
    model = build(with_cp=with_cp)
    model.forward_dense(torch.randn(1, 3, 32, 32))
    assert recomputed == wanted


@pytest.mark.parametrize('tower', TOWERS)
def test_image_embedding_computes_no_row_in_vain(tower):
    """The last block's class token alone gives the same, gradients too."""
    image, found = torch.randn(2, 3, 48, 64), []
    for alone in (True, False):
        model = build(tower)
        for p in model.parameters():
            p.requires_grad = True
        if alone:
            embedded = model.forward_image(image)
        else:
            visual = model.visual
            x, grid = visual.embed(image)
            for index in range(visual.num_layers):
                x = visual.run_block(index, x, grid)
            embedded = visual.pool(x)
        embedded.square().sum().backward()
        # what gets no gradient at all and what gets zeros are the same
        gradients = {
            n: torch.zeros_like(p) if p.grad is None else p.grad
            for n, p in model.named_parameters()
        }
        found.append((embedded, gradients))
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('last_tap', ['decoupled', 'vanilla', 'maskclip'])
@pytest.mark.parametrize('affinity', ['csa', 'vanilla', 'maskclip'])
def test_maps_alone_are_those_of_the_whole_pass(affinity, last_tap):
    model = build(affinity=affinity, last_tap=last_tap, out_indices=(0, -1))
    image = torch.randn(1, 3, 48, 64)
    dense = model.forward_dense(image, (0, -1))
    for ours, theirs in zip(model(image), dense.taps, strict=True):
        assert torch.equal(ours, theirs)


def test_norm_eval():
    model = build(norm_eval=True).train()
    norms = [m for m in model.modules() if isinstance(m, torch.nn.LayerNorm)]
    assert norms and not any(m.training for m in norms)
    assert model.training


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(affinity='self'), "unknown affinity 'self'; allowed: qq"),
        (dict(with_cp=9), 'with_cp=9: allowed are True, False and how many'),
        (dict(with_cp='all'), "with_cp='all': allowed"),
        (dict(last_tap='last'), "unknown last_tap 'last'; allowed"),
        (dict(out_indices=(3,)), 'out of range'),
        (dict(affinity='vanilla', ffn=False), 'always has its residual'),
        (dict(model='ViT-B-61'), 'Close names: ViT-B-'),
        (dict(model=dict(embed_dim=3)), 'vision_cfg'),
        (dict(model=dict(tiny_eva(), size=3)), "unknown keys \\['size'\\]"),
        (dict(model=tiny_eva(), quick_gelu=True), 'SwiGLU'),
        (dict(model='ViT-B-16', pretrained='laion'), 'Tags: openai'),
        (dict(pretrained='a', init_cfg=dict(type='x')), 'both given'),
    ],
)
def test_refusals(options, message):
    options = dict(dict(model=tiny_eva()), **options)
    with pytest.raises(ValueError, match=message):
        DeCLIPViT(**options)


def test_refuses_images_that_do_not_fit():
    model = build()
    with pytest.raises(ValueError, match='40x64 is no multiple.*48x64'):
        model.forward_dense(torch.randn(1, 3, 40, 64))
    with pytest.raises(ValueError, match=r'\(B, 3, H, W\)'):
        model.forward_image(torch.randn(3, 64, 64))


@pytest.mark.parametrize(
    'name, quick', [('ViT-B-16', False), ('ViT-B-16-quickgelu', True)]
)
def test_activation_follows_the_model(name, quick):
    with torch.device('meta'):
        model = DeCLIPViT(name)
    assert model.fingerprint['activation'] == (
        'quick_gelu' if quick else 'gelu'
    )


def test_activation_follows_the_tag():
    with torch.device('meta'):
        model = DeCLIPViT('ViT-B-16', pretrained='openai')
    assert model.fingerprint['activation'] == 'quick_gelu'
