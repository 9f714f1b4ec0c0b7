"""Text tower: weights, tokens, embeddings."""

import open_clip
import pytest
import torch
from mmengine.registry import MODELS
from safetensors.torch import save_file
from tiny_text import VISION, clip, collect_warnings, save, text_config
from torch.nn.functional import normalize

from declip_mm.models.text import DeCLIPTextEncoder

TEXTS = ['a cat', 'fire hydrant', 'a photo of a very small red dog.']


@pytest.mark.parametrize('quick_gelu', [False, True])
@pytest.mark.parametrize('custom', [False, True])
@pytest.mark.parametrize('suffix', ['pt', 'safetensors'])
def test_equals_open_clip(tmp_path, quick_gelu, custom, suffix):
    classes = open_clip.model.CustomTextCLIP, open_clip.model.CLIP
    model = clip(cls=classes[not custom], quick_gelu=quick_gelu)
    path = tmp_path / f'clip.{suffix}'
    if suffix == 'pt':
        save({'state_dict': model.state_dict()}, path)
    else:
        save_file(model.state_dict(), str(path))
    encoder = DeCLIPTextEncoder(
        text_config(), str(path), quick_gelu=quick_gelu
    )
    tokens = open_clip.SimpleTokenizer(context_length=16)(TEXTS)
    with torch.no_grad():
        expected = normalize(model.encode_text(tokens), dim=-1)
    found = encoder.encode(TEXTS)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_activation_matters(tmp_path):
    path = save(clip().state_dict(), tmp_path / 'clip.pt')
    plain, quick = (
        DeCLIPTextEncoder(text_config(), path, quick_gelu=q)
        for q in (False, True)
    )
    assert (plain.encode(TEXTS) - quick.encode(TEXTS)).abs().max() > 1e-4
    assert plain.fingerprint['weights'] == quick.fingerprint['weights']
    assert (
        plain.fingerprint['architecture'] != quick.fingerprint['architecture']
    )


def test_chunks_and_order_leave_no_trace(tmp_path):
    path = save(clip().state_dict(), tmp_path / 'clip.pt')
    whole = DeCLIPTextEncoder(text_config(), path).encode(TEXTS)
    single = DeCLIPTextEncoder(text_config(), path, chunk_size=1)
    torch.testing.assert_close(single.encode(TEXTS), whole)
    torch.testing.assert_close(single.encode(TEXTS[::-1]).flip(0), whole)
    assert torch.equal(single.encode(TEXTS), single.encode(TEXTS))
    assert single.encode([]).shape == (0, 24)


@pytest.mark.parametrize(
    'changes', [{'no_causal_mask': True}, {'pool_type': 'last'}]
)
def test_padding_is_kept_where_the_tower_sees_it(tmp_path, changes):
    text = text_config(**changes)['text_cfg']
    model = clip(cls=open_clip.model.CustomTextCLIP, text=text)
    path = save(model.state_dict(), tmp_path / 'clip.pt')
    encoder = DeCLIPTextEncoder(text_config(**changes), path)
    tokens = open_clip.SimpleTokenizer(context_length=16)(TEXTS)
    with torch.no_grad():
        expected = normalize(model.encode_text(tokens), dim=-1)
    torch.testing.assert_close(encoder.encode(TEXTS), expected)


def test_four_promises(tmp_path):
    path = save(clip().state_dict(), tmp_path / 'clip.pt')
    cfg = {
        'type': 'DeCLIPTextEncoder',
        'model': text_config(),
        'pretrained': path,
    }
    encoder = MODELS.build(cfg)
    model = torch.nn.ModuleDict({'text': encoder}).train()
    assert not encoder.encode(TEXTS).requires_grad
    assert not any(m.training for m in encoder.tower.modules())
    assert not any(p.requires_grad for p in encoder.tower.parameters())
    assert not list(model.parameters())
    assert not model.state_dict()
    model.load_state_dict({}, strict=True)


def test_random_state_of_torch_is_left_alone(tmp_path):
    path = save(clip().state_dict(), tmp_path / 'clip.pt')
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    DeCLIPTextEncoder(text_config(), path).encode(['cat'])
    assert torch.equal(torch.rand(3), expected)


def test_constructor_refuses_what_cannot_work(tmp_path):
    with pytest.raises(ValueError, match='Tags: .*openai'):
        DeCLIPTextEncoder('ViT-B-16', 'opnai')
    with pytest.raises(FileNotFoundError, match=r'none\.pt does not exist'):
        DeCLIPTextEncoder('ViT-B-16', str(tmp_path / 'none.pt'))
    with pytest.raises(ValueError, match='hf_tokenizer_name.*model hub'):
        DeCLIPTextEncoder('ViT-B-16-SigLIP')
    with pytest.raises(ValueError, match=r"unknown keys \['depth'\]"):
        DeCLIPTextEncoder(text_config(depth=2))
    with pytest.raises(ValueError, match='has no text_cfg'):
        DeCLIPTextEncoder({'embed_dim': 24, 'vision_cfg': VISION})
    with pytest.raises(ValueError, match='chunk_size'):
        DeCLIPTextEncoder(text_config(), chunk_size=0)


def test_tag_decides_activation_without_download():
    encoder = DeCLIPTextEncoder('ViT-B-16', 'openai')
    assert encoder.quick_gelu
    assert not DeCLIPTextEncoder('EVA02-B-16').quick_gelu


def test_texts_that_are_no_strings():
    encoder = DeCLIPTextEncoder(text_config())
    with pytest.raises(TypeError, match=r'not: \[3\]'):
        encoder.encode(['cat', 3])
    with pytest.raises(TypeError, match="got 'cat'"):
        encoder.encode('cat')


def test_overlong_texts_and_random_weights_are_told(monkeypatch):
    warnings_of = collect_warnings(monkeypatch)
    long = 'one two three four five six seven eight nine ten eleven twelve '
    encoder = DeCLIPTextEncoder(text_config())
    encoder.encode(['cat', long + 'thirteen fourteen fifteen'])
    encoder.encode([long + 'thirteen fourteen'])  # 16 tokens fit
    assert len(warnings_of) == 2
    assert '1 texts have more than the 16 tokens' in warnings_of[0]
    assert 'thirteen fourteen fifteen' in warnings_of[0]
    assert 'random weights' in warnings_of[1]
