"""Half-filled models are refused, whoever loads them."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from tiny import tiny_eva, tiny_openai
from tiny_cat_seg import segmentor, segmentor_cfg

from declip_mm.checkpoint import FINGERPRINT_KEY
from declip_mm.engine import FingerprintHook

LOADERS = {
    'torch': lambda m, s: m.load_state_dict(s),
    'torch-lax': lambda m, s: m.load_state_dict(s, strict=False),
    'mmengine': lambda m, s: load_state_dict(m, s, strict=False),
}


@pytest.mark.parametrize('loader', LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize('part', ['backbone', 'text_encoder'])
def test_a_missing_tower_raises(loader, part):
    model = segmentor()
    state = model.state_dict()
    loader(model, state)
    lacking = {k: v for k, v in state.items() if not k.startswith(part)}
    count = len(state) - len(lacking)
    with pytest.raises(ValueError, match=f'Missing: all {count} of {part}'):
        loader(model, lacking)


def test_unknown_keys_raise_and_prefixes_are_fine():
    model = segmentor()
    state = model.state_dict()
    with pytest.raises(
        ValueError, match=r'Missing: none. Unexpected: visual\.x\.'
    ):
        model.load_state_dict(
            {**state, 'visual.x': torch.zeros(1)}, strict=False
        )
    wrapped = torch.nn.Sequential(model)
    wrapped.load_state_dict({f'0.{k}': v for k, v in state.items()})


def text_file(tmp_path, model, visual=True):
    """A CLIP file in open_clip's layout, with or without its text tower."""
    import open_clip

    torch.manual_seed(1)
    clip = open_clip.model.CLIP(
        model['embed_dim'],
        dict(model['vision_cfg']),
        dict(model['text_cfg']),
    )
    state = clip.state_dict()
    if not visual:
        state = {k: v for k, v in state.items() if k.startswith('visual.')}
    path = tmp_path / 'clip.pt'
    torch.save(state, path)
    return str(path), clip


@pytest.mark.parametrize('split', [True, False])
def test_text_tower_is_filled_from_a_clip_file(tmp_path, split):
    path, clip = text_file(tmp_path, tiny_openai())
    cfg = segmentor_cfg('openai')
    cfg['text_encoder'].update(pretrained=path, split_attention=split)
    cfg['backbone'].update(pretrained=path)
    model = segmentor(**cfg)
    model.init_weights()
    from open_clip import tokenizer

    ids = tokenizer.SimpleTokenizer()(['a cat'], context_length=16)
    wanted = torch.nn.functional.normalize(clip.eval().encode_text(ids))
    assert torch.allclose(model.text_encoder(['a cat']), wanted, atol=1e-5)
    assert torch.equal(
        model.backbone.visual.trunk.conv1.weight, clip.visual.conv1.weight
    )
    attention = model.backbone.visual.blocks[0].attn
    fused = clip.visual.transformer.resblocks[0].attn.in_proj_weight
    assert torch.equal(attention.q_proj.weight, fused[:24])


def test_a_file_without_text_raises(tmp_path):
    path, _ = text_file(tmp_path, tiny_openai(), visual=False)
    cfg = segmentor_cfg('openai')
    cfg['text_encoder'].update(pretrained=path)
    with pytest.raises(ValueError, match='has no text tower'):
        segmentor(**cfg).text_encoder.init_weights()


def test_random_weights_are_said(monkeypatch):
    lines = []
    monkeypatch.setattr(
        'declip_mm.segmentation.cat_seg.text.print_log',
        lambda text, **_: lines.append(text),
    )
    model = segmentor()
    model.text_encoder.init_weights()
    assert 'random weights' in lines[0]


@pytest.mark.parametrize('field', ['affinity', 'scale'])
def test_another_affinity_or_scale_is_refused(field):
    """Through the hook that every shipped config has."""
    from types import SimpleNamespace

    from declip_mm.engine import FingerprintHook

    hook = FingerprintHook()
    cfg = segmentor_cfg()
    checkpoint = dict(meta={}, state_dict=segmentor().state_dict())
    hook.before_save_checkpoint(SimpleNamespace(model=segmentor()), checkpoint)
    hook.after_load_checkpoint(SimpleNamespace(model=segmentor()), checkpoint)
    cfg['backbone'][field] = dict(affinity='qq', scale='rsqrt')[field]
    other = SimpleNamespace(model=segmentor(**cfg))
    with pytest.raises(ValueError, match=f'{field}: file has'):
        hook.after_load_checkpoint(other, checkpoint)
    assert tiny_eva()['embed_dim'] == 12


def test_whose_file_it_is_comes_before_its_settings():
    """Else the advice was to change a scale, and then to take another file."""
    model = segmentor()
    state = {
        k: v
        for k, v in model.state_dict().items()
        if k.startswith('backbone.')
    }
    said = dict(model.backbone.fingerprint, scale=2.5)
    content = dict(state_dict=state, meta={FINGERPRINT_KEY: said})
    with pytest.raises(ValueError, match='of a pre-finetuned backbone') as e:
        FingerprintHook().after_load_checkpoint(
            SimpleNamespace(model=model), content
        )
    assert 'scale' not in str(e.value)
