"""Foreign layouts load strictly; what does not fit is named."""

import json

import pytest
import torch
from mmengine.registry import MODELS
from safetensors.torch import save_file
from tiny import backbone_cfg, tiny_eva, tiny_openai

from declip_mm.checkpoint import (
    FINGERPRINT_KEY,
    FingerprintError,
    check_fit,
    fill,
    read_checkpoint,
)
from declip_mm.checkpoint.keymaps import from_official_eva, to_official_eva

IMAGE = torch.randn(1, 3, 64, 64)
TEXT = {
    'text.ln_final.weight': torch.ones(3),
    'logit_scale': torch.tensor(1.0),
}
OPENAI_TEXT = {
    'transformer.resblocks.0.ln_1.weight': torch.ones(3),
    'token_embedding.weight': torch.ones(3, 3),
    'positional_embedding': torch.ones(3, 3),
    'text_projection': torch.ones(3, 3),
    'ln_final.bias': torch.ones(3),
    'logit_scale': torch.tensor(1.0),
    'input_resolution': torch.tensor(64),
}


def official_eva(model):
    weights = {
        f'visual.{to_official_eva(k)}': v
        for k, v in model.visual.trunk.state_dict().items()
    }
    weights['visual.rope.freqs_cos'] = torch.ones(16, 12)
    weights['visual.blocks.0.attn.rope.freqs_sin'] = torch.ones(16, 12)
    return {**weights, **TEXT}


def open_clip_eva(model):
    state = model.visual.trunk.state_dict()
    return {**{f'visual.trunk.{k}': v for k, v in state.items()}, **TEXT}


def openai(model):
    """Fused q, k, v, as OpenAI and open_clip store them."""
    state = model.visual.trunk.state_dict()
    last = 'transformer.resblocks.2.attn.'
    for kind in ('weight', 'bias'):
        parts = [state.pop(f'{last}{n}_proj.{kind}') for n in 'qkv']
        state[f'{last}in_proj_{kind}'] = torch.cat(parts)
    return {**{f'visual.{k}': v for k, v in state.items()}, **OPENAI_TEXT}


def ours(model):
    return {f'backbone.{k}': v for k, v in model.state_dict().items()}


LAYOUTS = {
    'official-eva': (tiny_eva, official_eva),
    'open_clip-eva': (tiny_eva, open_clip_eva),
    'openai': (tiny_openai, openai),
    'ours-eva': (tiny_eva, ours),
    'ours-openai': (tiny_openai, ours),
    'bare-eva': (tiny_eva, lambda m: m.visual.trunk.state_dict()),
}


@pytest.fixture(params=LAYOUTS)
def layout(request):
    tower, write = LAYOUTS[request.param]
    torch.manual_seed(0)
    source = MODELS.build(backbone_cfg(tower())).eval()
    return tower(), write(source), source


def load(config, path, **options):
    torch.manual_seed(1)
    options = options or dict(pretrained=str(path))
    model = MODELS.build(backbone_cfg(config, **options)).eval()
    model.init_weights()
    return model


@pytest.mark.parametrize('wrap', [None, 'model', 'state_dict', 'module.'])
def test_layouts(layout, wrap, tmp_path):
    config, weights, source = layout
    if wrap == 'module.':
        content = {f'module.{k}': v for k, v in weights.items()}
    else:
        content = {wrap: weights, 'epoch': 6} if wrap else weights
    path = tmp_path / 'file.pth'
    torch.save(content, path)
    model = load(config, path)
    wanted = source.forward_dense(IMAGE).content
    assert torch.equal(model.forward_dense(IMAGE).content, wanted)
    assert torch.equal(model.forward_image(IMAGE), source.forward_image(IMAGE))


def test_safetensors(layout, tmp_path):
    config, weights, source = layout
    path = tmp_path / 'file.safetensors'
    save_file({k: v.clone() for k, v in weights.items()}, path)
    model = load(config, path)
    assert torch.equal(model.forward_image(IMAGE), source.forward_image(IMAGE))


def test_missing_and_extra_keys_are_named(layout, tmp_path):
    config, weights, _ = layout
    lost = next(
        k for k in weights if k.endswith(('norm1.weight', 'ln_1.weight'))
    )
    weights = {k: v for k, v in weights.items() if k != lost}
    weights['adapter.weight'] = torch.ones(2)
    path = tmp_path / 'file.pth'
    torch.save(weights, path)
    tail = '.'.join(lost.split('.')[-3:])
    with pytest.raises(ValueError, match=f'Missing: .*{tail}') as error:
        load(config, path)
    assert 'adapter.weight' in str(error.value)


def test_other_tower_is_refused_with_shapes(tmp_path):
    source = MODELS.build(backbone_cfg(tiny_eva(embed_dim=36)))
    path = tmp_path / 'file.pth'
    torch.save(official_eva(source), path)
    with pytest.raises(ValueError, match=r'\(36,\) against \(24,\)'):
        load(tiny_eva(), path)
    with pytest.raises(ValueError, match='does not fit this image tower'):
        load(tiny_openai(), path)


def test_nan_weights_are_refused(tmp_path):
    source = MODELS.build(backbone_cfg())
    weights = official_eva(source)
    weights['visual.head.bias'][0] = float('nan')
    path = tmp_path / 'file.pth'
    torch.save(weights, path)
    with pytest.raises(ValueError, match='NaN.*head.bias'):
        load(tiny_eva(), path)


def test_key_map_is_invertible():
    trunk = MODELS.build(backbone_cfg()).visual.trunk
    names = list(trunk.state_dict())
    theirs = [to_official_eva(n) for n in names]
    assert [from_official_eva(n) for n in theirs] == names
    assert len(set(theirs)) == len(names)
    assert 'blocks.0.attn.q_bias' in theirs
    assert 'blocks.0.mlp.w3.weight' in theirs


def test_init_cfg_with_prefix_and_fingerprint(tmp_path):
    source = MODELS.build(backbone_cfg(affinity='qq')).eval()
    path = str(tmp_path / 'file.pth')
    meta = {FINGERPRINT_KEY: source.fingerprint}
    torch.save(dict(meta=meta, state_dict=ours(source)), path)
    init = dict(type='Pretrained', checkpoint=path, prefix='backbone.')
    model = load(tiny_eva(), path, init_cfg=init, affinity='qq')
    assert torch.equal(model.forward_image(IMAGE), source.forward_image(IMAGE))
    with pytest.raises(FingerprintError) as error:
        load(tiny_eva(), path, init_cfg=init, affinity='csa', scale=1.0)
    assert "affinity: file has 'qq', model has 'csa'" in str(error.value)
    assert 'scale: file has' in str(error.value)
    wrong = dict(init, prefix='student.')
    with pytest.raises(ValueError, match="no key under prefix 'student.'"):
        load(tiny_eva(), path, init_cfg=wrong, affinity='qq')


def test_fingerprint_in_safetensors(tmp_path):
    source = MODELS.build(backbone_cfg())
    path = str(tmp_path / 'file.safetensors')
    text = json.dumps(source.fingerprint)
    save_file(ours(source), path, {'declip': text})
    _, meta = read_checkpoint(path)
    assert meta[FINGERPRINT_KEY] == json.loads(text)
    with pytest.raises(FingerprintError, match='affinity'):
        load(tiny_eva(), path, pretrained=path, affinity='kk')


class Evil:
    def __reduce__(self):
        return print, ('code ran',)


def test_pickled_code_is_refused_and_not_run(tmp_path, capsys):
    path = tmp_path / 'evil.pth'
    torch.save(dict(model={'visual.head.bias': Evil()}), path)
    with pytest.raises(ValueError, match='pickled code'):
        read_checkpoint(str(path))
    assert 'code ran' not in capsys.readouterr().out


def test_torchscript_archive(tmp_path):
    """OpenAI published CLIP in this form."""

    class Part(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.visual = torch.nn.Linear(2, 2)

        def forward(self, x):
            return self.visual(x)

    path = str(tmp_path / 'script.pt')
    torch.jit.script(Part()).save(path)
    weights, _ = read_checkpoint(path)
    assert set(weights) == {'visual.weight', 'visual.bias'}


@pytest.mark.parametrize(
    'content, message',
    [
        (b'', 'is empty'),
        (b'not weights at all', 'pickled code|no readable'),
        (None, 'does not exist'),
    ],
)
def test_unreadable_files(tmp_path, content, message):
    path = tmp_path / 'file.pth'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_checkpoint(str(path))


def test_truncated_file(tmp_path):
    path = tmp_path / 'file.pth'
    torch.save({'a': torch.randn(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match='truncated|damaged'):
        read_checkpoint(str(path))


@pytest.mark.parametrize('content', [dict(epoch=3), [1], dict(model={})])
def test_files_without_weights(tmp_path, content):
    path = tmp_path / 'file.pth'
    torch.save(content, path)
    with pytest.raises(ValueError, match='no tensor|no state dict'):
        read_checkpoint(str(path))


def network(seed=0):
    """Attention that load hooks take apart, deep inside, and a layer."""
    from declip_mm.models.towers.openclip import SplitAttention

    torch.manual_seed(seed)
    fused = torch.nn.MultiheadAttention(4, 2, batch_first=True)
    inner = torch.nn.Sequential(SplitAttention(fused))
    parts = dict(tower=inner, head=torch.nn.Linear(3, 2))
    return torch.nn.ModuleDict(parts), fused


def fused_weights():
    model, fused = network(1)
    own = {f'tower.0.{k}': v for k, v in fused.state_dict().items()}
    return model, {
        **own,
        'head.weight': torch.ones(2, 3),
        'head.bias': torch.ones(2),
    }


def test_load_hooks_run_before_anything_is_compared():
    model, _ = network()
    source, weights = fused_weights()
    before = list(weights)
    fill(model, weights, 'a.pth', 'network')
    assert list(weights) == before
    tower = source['tower'].state_dict()
    for key, value in model['tower'].state_dict().items():
        assert torch.equal(value, tower[key]), key
    assert (model['head'].weight == 1).all()


@pytest.mark.parametrize(
    'change, said',
    [
        (
            lambda w: [w.pop('head.weight'), w.pop('head.bias')],
            'a.pth does not fit this network. Missing: all 2 of head. '
            'Unexpected: none. Shapes (file against model): none. Check',
        ),
        (
            lambda w: [w.pop('head.bias'), w.pop('tower.0.in_proj_bias')],
            'Missing: tower.0.q_proj.bias, tower.0.k_proj.bias, '
            'tower.0.v_proj.bias, head.bias. Unexpected: none.',
        ),
        (
            lambda w: w.update({'head.x': torch.ones(1)}),
            'Missing: none. Unexpected: head.x, and.this.',
        ),
        (
            lambda w: w.update({'tower.0.in_proj_weight': torch.ones(12, 5)}),
            'tower.0.q_proj.weight (4, 5) against (4, 4), tower.0.k_proj',
        ),
        (
            lambda w: w['tower.0.in_proj_weight'][5].fill_(float('nan')),
            'NaN or infinite weights: tower.0.k_proj.weight.',
        ),
    ],
)
def test_nothing_is_filled_unless_all_is(change, said):
    model, _ = network()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    weights = fused_weights()[1]
    change(weights)
    strange = ['and.this'] if 'head.x' in said else []
    for act in (fill, check_fit):
        with pytest.raises(ValueError) as error:
            act(model, weights, 'a.pth', 'network', strange)
        assert said in str(error.value)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])
