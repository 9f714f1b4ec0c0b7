"""GELU or QuickGELU: what tells, and what the towers make of it."""

import json

import open_clip
import pytest
import torch
from mmengine.registry import MODELS
from safetensors.torch import save_file
from tiny import backbone_cfg, tiny_eva, tiny_openai

from declip_mm.checkpoint import (
    FINGERPRINT_KEY,
    FingerprintError,
    convert,
    describe,
    load_image_tower,
    load_text_tower,
    read_checkpoint,
    told_activation,
)
from declip_mm.checkpoint.activation import uses_quick_gelu
from declip_mm.models.text import DeCLIPTextEncoder

IMAGE = torch.randn(1, 3, 64, 64)
SIZES = dict(input_resolution=64, context_length=16, vocab_size=49408)
STATED = {k: torch.tensor(v) for k, v in SIZES.items()}


def clip(quick_gelu=True):
    torch.manual_seed(0)
    return open_clip.model.CLIP(**tiny_openai(), quick_gelu=quick_gelu).eval()


def weights(**more):
    state = clip().state_dict()
    return {k: v for k, v in {**state, **more}.items() if k != 'attn_mask'}


@pytest.fixture
def openai(tmp_path):
    path = tmp_path / 'clip.pt'
    torch.save(weights(**STATED), path)
    return str(path)


def backbone(path=None, **options):
    cfg = backbone_cfg(
        tiny_openai(), affinity='vanilla', pretrained=path, **options
    )
    model = MODELS.build(cfg)
    model.init_weights()
    return model.eval()


def test_both_towers_of_openais_file_compute_what_its_code_does(openai):
    model, wanted = backbone(openai), clip()
    with torch.no_grad():
        torch.testing.assert_close(
            model.forward_image(IMAGE), wanted.encode_image(IMAGE)
        )
    encoder = DeCLIPTextEncoder(tiny_openai(), openai)
    tokens = open_clip.tokenize(['a cat'], 16)
    with torch.no_grad():
        text = wanted.encode_text(tokens, normalize=True)
    torch.testing.assert_close(encoder.encode(['a cat']), text)
    other = backbone()
    assert other.visual.activation == 'gelu'
    other.load_state_dict(model.state_dict())
    with torch.no_grad():  # the wrong one shows no error, only this
        gap = (other.forward_image(IMAGE) - model.forward_image(IMAGE)).abs()
    assert gap.max() > 1e-3


def test_an_archive_of_torchscript_is_openais(tmp_path):
    path = str(tmp_path / 'ViT-B-16.pt')
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    told = told_activation(path)
    assert told.quick_gelu
    assert "layout of OpenAI's own" in told.by


def test_what_tells_nothing(tmp_path):
    assert told_activation(str(tmp_path / 'none.pt')) is None
    (tmp_path / 'damaged.pt').write_bytes(b'PK\x03\x04 and no more')
    assert told_activation(str(tmp_path / 'damaged.pt')) is None
    for name in ('mine.pt', 'ViT-B-16.pt', 'vit_b_16.safetensors'):
        path = tmp_path / name
        if path.suffix == '.safetensors':
            save_file(weights(), path)
        else:
            torch.save(weights(), path)
        assert told_activation(str(path), 'ViT-B-16') is None, name


def test_the_old_format_of_torch_is_read(tmp_path):
    path = tmp_path / 'old.pth'
    torch.save(weights(**STATED), path, _use_new_zipfile_serialization=False)
    assert told_activation(str(path)).quick_gelu


@pytest.mark.parametrize(
    ('name', 'model', 'quick'),
    [
        ('laion400m_e32.pt', 'ViT-B-32', True),  # one tag, two activations
        ('laion400m_e32.pt', 'ViT-B-16', False),
        ('laion400m_e32.pt', None, None),
        ('vit_b_32-quickgelu-laion400m_e32-46683a32.pt', None, True),
        ('b16_fullcc2.5b.pt', None, True),
        ('h14_v1.2_altogether.pt', None, False),
        ('notopenai.pt', 'ViT-B-16', None),
        ('ViT-B-16-openai.pt', 'ViT-B-16', True),
        ('vit_base_patch16_clip_224.openai/model.pt', None, True),
        ('dfn5b.pt', 'ViT-B-16', None),  # of another model
    ],
)
def test_names_are_read_with_open_clips_list(name, model, quick, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    torch.save(weights(), path)
    told = told_activation(str(path), model)
    assert (told and told.quick_gelu) == quick


def test_loading_is_checked_again(openai):
    """Whatever way a module was built, the file is asked."""
    trunk = MODELS.build(backbone_cfg(tiny_openai())).visual.trunk
    assert uses_quick_gelu(trunk) is False
    with pytest.raises(FingerprintError, match='wants quick_gelu.*has gelu'):
        load_image_tower(trunk, openai)
    tower = DeCLIPTextEncoder(tiny_openai()).tower
    with pytest.raises(FingerprintError, match='wants quick_gelu.*has gelu'):
        load_text_tower(tower, openai)
    eva = MODELS.build(backbone_cfg(tiny_eva())).visual.trunk
    assert uses_quick_gelu(eva) is None  # has no choice


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_converting_records_it(openai, tmp_path, suffix):
    out = str(tmp_path / f'out.{suffix}')
    convert(openai, out, affinity='vanilla', scale='rsqrt', head_dim=12)
    said = read_checkpoint(out)[1][FINGERPRINT_KEY]
    assert said['activation'] == 'quick_gelu'
    wanted = backbone(openai)(IMAGE)[0]
    assert torch.equal(backbone(out, scale='rsqrt')(IMAGE)[0], wanted)


def test_converting_what_tells_nothing(tmp_path):
    path, out = tmp_path / 'mine.pt', str(tmp_path / 'out.pth')
    torch.save(weights(), path)
    given = dict(affinity='vanilla', scale='rsqrt', head_dim=12)
    assert 'activation' not in convert(str(path), out, **given)
    told = convert(str(path), out, quick_gelu=False, **given)
    assert told['activation'] == 'gelu'
    assert 'activation' in told['declared']
    assert backbone(out, scale='rsqrt').activation_by.startswith('its finger')


def test_inspecting_says_what_is_known(openai, tmp_path):
    assert describe(openai)['activation'].startswith('quick_gelu: it has the')
    path = tmp_path / 'mine.pt'
    torch.save(weights(), path)
    assert describe(str(path))['activation'].startswith('unknown')
    state = MODELS.build(backbone_cfg(tiny_eva())).state_dict()
    torch.save({f'backbone.{k}': v for k, v in state.items()}, path)
    assert describe(str(path))['activation'] == ''


def test_a_configuration_beside_another_file_says_nothing(tmp_path):
    content = dict(model_cfg=dict(tiny_openai(), quick_gelu=True))
    (tmp_path / 'open_clip_config.json').write_text(json.dumps(content))
    path = tmp_path / 'tuned.pth'
    torch.save(weights(), path)
    assert told_activation(str(path)) is None
