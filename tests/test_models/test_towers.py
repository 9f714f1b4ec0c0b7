"""Towers that pool with attention, and what is refused."""

import copy

import pytest
import timm
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from tiny import TOWERS, backbone_cfg, tiny_pe, tiny_siglip

from declip_mm.checkpoint.keymaps import fuse_pooling, split_pooling
from declip_mm.models import DeCLIPViT
from declip_mm.models.towers import (
    build_tower,
    position,
    read_model_config,
)
from declip_mm.models.towers.position import resize_position_embedding

IMAGE = torch.randn(2, 3, 64, 64)


def build(config, **options):
    torch.manual_seed(0)
    return MODELS.build(backbone_cfg(config, **options)).eval()


def library_trunk(config):
    """The same network as timm builds it, with the same random weights."""
    vision = config['vision_cfg']
    classes = 0 if vision['timm_proj'] == 'none' else config['embed_dim']
    torch.manual_seed(0)
    return timm.create_model(
        vision['timm_model_name'],
        num_classes=classes,
        img_size=vision['image_size'],
        **vision['timm_kwargs'],
    ).eval()


PE = [
    ('vit_pe_core_base_patch16_224', dict(), 1),
    ('vit_pe_core_large_patch14_336', dict(patch_size=16), 1),
    ('vit_pe_core_gigantic_patch14_448', dict(patch_size=16), 0),
    ('vit_pe_core_tiny_patch16_384', dict(), 1),
]
POOLING = [(tiny_siglip(), 0)] + [(tiny_pe(n, **k), p) for n, k, p in PE]


@pytest.mark.parametrize('config, prefix', POOLING)
def test_image_embedding_of_a_published_layout(config, prefix, tmp_path):
    """timm's keys, fused kv and all, under open_clip's prefix."""
    trunk = library_trunk(config)
    for p in trunk.parameters():  # zero biases would hide a lost one
        torch.nn.init.normal_(p, std=0.2)
    weights = {f'visual.trunk.{k}': v for k, v in trunk.state_dict().items()}
    assert 'visual.trunk.attn_pool.kv.weight' in weights
    extra = {'logit_scale': torch.ones(()), 'logit_bias': torch.ones(())}
    path = tmp_path / 'siglip.pth'
    torch.save({**weights, **extra}, path)
    model = build(config, pretrained=str(path))
    model.init_weights()
    assert model.visual.num_prefix == prefix
    torch.testing.assert_close(
        model.forward_image(IMAGE), trunk(IMAGE), rtol=1e-4, atol=1e-5
    )


def by_hand(trunk, tokens, affinity):
    """Decoupled pooling head in single steps, from timm's own layer."""
    pool = trunk.attn_pool
    x = trunk.norm(tokens)
    q = F.linear(x, pool.q.weight, pool.q.bias)
    k, v = F.linear(x, pool.kv.weight, pool.kv.bias).chunk(2, dim=-1)
    heads = []
    for own_q, own_k, own_v in zip(*(t.chunk(2, dim=-1) for t in (q, k, v))):
        scale = own_q.shape[-1] ** -0.5
        parts = dict(qq=[own_q], kk=[own_k], csa=[own_q, own_k])[affinity]
        maps = [
            torch.softmax(scale * p @ p.transpose(1, 2), dim=-1) for p in parts
        ]
        heads.append(sum(maps) @ own_v)
    y = pool.proj(torch.cat(heads, dim=-1))
    z = pool.norm(y)
    return z + pool.mlp(z), q, k


@pytest.mark.parametrize('affinity', ['qq', 'kk', 'csa'])
def test_siglip_decouples_its_pooling_head(affinity):
    trunk = library_trunk(tiny_siglip())
    for p in trunk.parameters():
        torch.nn.init.normal_(p, std=0.2)
    model = build(tiny_siglip(), affinity=affinity)
    model.visual.trunk.load_state_dict(split_pooling(trunk.state_dict()))
    tokens = trunk.blocks(trunk.patch_embed(IMAGE) + trunk.pos_embed)
    wanted, q, k = by_hand(trunk, tokens, affinity)
    dense = model.forward_dense(IMAGE)
    found = dense.content.flatten(2).transpose(1, 2)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    context = dict(qq=[q], kk=[k], csa=[q, k])[affinity]
    for ours, theirs in zip(dense.context, context):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('affinity', ['vanilla', 'maskclip'])
def test_baselines_use_the_ordinary_head(affinity):
    model = build(tiny_siglip(), affinity=affinity)
    trunk = model.visual.trunk
    x = trunk.norm(trunk.blocks(model.visual.embed(IMAGE)[0]))
    pool = trunk.attn_pool
    values = pool.v(x)
    if affinity == 'vanilla':
        attended = F.scaled_dot_product_attention(
            *(pool.split(p(x)) for p in (pool.q, pool.k, pool.v))
        )
        values = attended.transpose(1, 2).flatten(2)
    y = pool.proj(values)
    wanted = y + pool.mlp(pool.norm(y))
    found = model.forward_dense(IMAGE).content.flatten(2).transpose(1, 2)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_class_token_of_pe_takes_part():
    model = build(tiny_pe())
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.2)
    before = model.forward_dense(IMAGE).content
    torch.nn.init.normal_(model.visual.trunk.cls_token)
    assert not torch.allclose(before, model.forward_dense(IMAGE).content)
    assert 'without reference' in model.fingerprint['decoupling']


def test_pooled_keys_are_split_and_fused_bit_for_bit():
    weights = library_trunk(tiny_siglip()).state_dict()
    split = split_pooling(weights)
    assert 'attn_pool.k.weight' in split and 'attn_pool.kv.bias' not in split
    again = fuse_pooling(split)
    assert set(again) == set(weights)
    assert all(torch.equal(again[k], weights[k]) for k in weights)


@pytest.mark.parametrize('tower', TOWERS)
def test_pixels_and_activation_come_from_the_tower(tower):
    model = build(TOWERS[tower]())
    half = (0.5, 0.5, 0.5)
    assert (model.pixel_mean == half) == (tower in ('siglip', 'pe'))
    assert (model.pixel_std == half) == (tower in ('siglip', 'pe'))
    wanted = 'swiglu' if tower == 'eva' else 'gelu'
    assert model.fingerprint['activation'] == wanted
    own = dict(TOWERS[tower](), pixel_mean=[0.1] * 3, pixel_std=[0.2] * 3)
    assert build(own).pixel_mean == (0.1, 0.1, 0.1)


SHIPPED = {
    'ViT-B-16-SigLIP': (16, 224, 768, 13),
    'ViT-B-16-SigLIP2': (16, 224, 768, 13),
    'ViT-SO400M-14-SigLIP-384': (14, 378, 1152, 28),
    'ViT-SO400M-16-SigLIP2-512': (16, 512, 1152, 28),
    'ViT-gopt-16-SigLIP2-384': (16, 384, 1536, 41),
    'PE-Core-B-16': (16, 224, 1024, 13),
    'PE-Core-L-14-336': (14, 336, 1024, 25),
    'PE-Core-T-16-384': (16, 384, 512, 13),
    'PE-Core-bigG-14-448': (14, 448, 1280, 51),
    'EVA02-L-14-336': (14, 336, 768, 24),
    'ViT-L-14-336': (14, 336, 768, 24),
}


@pytest.mark.parametrize('name', SHIPPED)
def test_open_clip_names(name):
    with torch.device('meta'):
        tower = build_tower(read_model_config(name))
    found = tower.patch_size, tower.native_size, tower.out_dim
    assert (*found, tower.num_stages) == SHIPPED[name]


@pytest.mark.parametrize(
    'model, message',
    [
        ('RN50', 'ModifiedResNet is no ViT.*Trunks that fit'),
        ('convnext_base', 'convolutional network.*Trunks that fit'),
        ('coca_ViT-B-32', 'as CoCa does.*Trunks that fit'),
        ('ViTamin-S', 'convolve and reduce.*Trunks that fit'),
        ('swin_base_patch4_window7_224', 'within windows.*Trunks that fit'),
        ('MobileCLIP2-L-14', 'only those with attention.*Trunks that fit'),
        ('EVA01-g-14', 'only EVA-02-CLIP and PE-Core.*Trunks that fit'),
        ('MobileCLIP-S1', 'convolve and reduce.*Trunks that fit'),
    ],
)
def test_trunks_that_do_not_fit_say_why(model, message):
    with torch.device('meta'), pytest.raises(ValueError, match=message):
        DeCLIPViT(model)


def changed(config, **vision):
    return dict(config, vision_cfg=dict(config['vision_cfg'], **vision))


@pytest.mark.parametrize(
    'config, options, message',
    [
        (tiny_siglip(), dict(residual=True), 'options of a decoupled block'),
        (tiny_siglip(), dict(ffn=False), 'options of a decoupled block'),
        (tiny_pe(), dict(affinity='maskclip_cls'), "Use 'maskclip'"),
        (tiny_siglip(), dict(quick_gelu=True), 'which has GELU'),
        (changed(tiny_siglip(), timm_proj='mlp'), {}, "timm_proj='mlp'"),
        (dict(tiny_siglip(), embed_dim=12), {}, 'width 24 is not embed_dim'),
        (tiny_pe(num_reg_tokens=2), {}, 'it has registers'),
        (
            changed(tiny_siglip(), timm_model_name='vit_nano_siglip_9'),
            {},
            'timm does not know it',
        ),
    ],
)
def test_options_that_do_not_fit(config, options, message):
    with pytest.raises(ValueError, match=message):
        build(config, **options)


def test_positions_without_prefix():
    table = torch.arange(16.0)[:, None]
    same = resize_position_embedding(table, (4, 4), num_prefix=0)
    assert torch.equal(same, table)
    assert resize_position_embedding(table, (2, 6), 0).shape == (12, 1)


@pytest.mark.parametrize('tower', ['eva', 'pe'])
def test_rotary_tables_are_made_once(tower, monkeypatch):
    model = build(TOWERS[tower]()).train()
    rope, made = model.visual.trunk.rope, []
    make = rope.get_embed

    def watch(shape):
        made.append(tuple(shape))
        return make(shape=shape)

    monkeypatch.setattr(rope, 'get_embed', watch)
    wide = torch.randn(1, 3, 48, 96)
    with torch.inference_mode():  # its tensors are of no use to a gradient
        first = model.forward_dense(wide).content
    for image in (wide, IMAGE, wide):
        content = model.forward_dense(image).content
        content.sum().backward()
    assert made == [(3, 6), (4, 4)]
    assert torch.equal(content, first)
    for side in range(1, 20):
        model.forward_dense(torch.randn(1, 3, 16, 16 * side))
    assert len(model.visual.rotary._tables) == 8
    assert torch.equal(model.forward_dense(wide).content, first)


def test_rotary_tables_follow_the_device():
    model = build(TOWERS['eva']())
    model.forward_dense(IMAGE)
    meta = model.to('meta')
    assert meta.forward_dense(IMAGE.to('meta')).content.is_meta


def test_frozen_positions_are_resized_once_and_anew_when_loaded(monkeypatch):
    calls = []
    plain = position.resize_position_embedding

    def counted(*args):
        calls.append(args[1])
        return plain(*args)

    monkeypatch.setattr(position, 'resize_position_embedding', counted)
    model = MODELS.build(backbone_cfg(frozen_stages=0)).eval()
    image = torch.randn(1, 3, 96, 80)
    first, again = (model(image)[0] for _ in range(2))
    assert calls == [(6, 5)] and torch.equal(first, again)
    weights = {k: v + 0.1 for k, v in model.state_dict().items()}
    model.load_state_dict(weights)
    other = model(image)[0]
    assert len(calls) == 2 and not torch.allclose(first, other)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.visual.trunk.pos_embed.zero_()
    assert not torch.allclose(twin(image)[0], other)


def test_positions_that_train_get_their_gradient():
    model = MODELS.build(backbone_cfg()).train()
    for _ in range(2):
        model(torch.randn(1, 3, 96, 96))[0].sum().backward()
    assert model.visual.trunk.pos_embed.grad.abs().sum() > 0
