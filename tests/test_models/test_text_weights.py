"""Weight files of text towers."""

import pytest
import torch
from tiny_text import clip, save, text_config

from declip_mm.models.text import DeCLIPTextEncoder

TEXTS = ['a cat', 'fire hydrant']


def test_half_precision_weights_have_the_digest_of_their_copy(tmp_path):
    half = {k: v.half() for k, v in clip().state_dict().items()}
    paths = [
        save(half, tmp_path / 'half.pt'),
        save({k: v.float() for k, v in half.items()}, tmp_path / 'full.pt'),
    ]
    a, b = (DeCLIPTextEncoder(text_config(), path) for path in paths)
    assert a.fingerprint == b.fingerprint
    assert torch.equal(a.encode(TEXTS), b.encode(TEXTS))
    assert a.encode(TEXTS).dtype == torch.float32


def test_what_stands_beside_the_tower_is_ignored(tmp_path):
    """OpenAI's files hold three numbers, old ones the causal mask, too.

    The numbers tell whose code it was, and with it the activation.
    """
    weights = clip().state_dict()
    expected = DeCLIPTextEncoder(
        text_config(), save(weights, tmp_path / 'a.pt'), quick_gelu=True
    ).encode(TEXTS)
    for key in ('input_resolution', 'context_length', 'vocab_size'):
        weights[key] = torch.tensor(7)
    weights['attn_mask'] = torch.zeros(16, 16)
    path = save(weights, tmp_path / 'b.pt')
    found = DeCLIPTextEncoder(text_config(), path).encode(TEXTS)
    assert torch.equal(found, expected)


def rename(weights):
    weights['text_bias'] = weights.pop('ln_final.bias')


def add(weights):
    weights['text_bias'] = torch.zeros(1)


def reshape(weights):
    weights['positional_embedding'] = torch.zeros(77, 32)


def poison(weights):
    weights['ln_final.bias'][0] = float('nan')


def strip(weights):
    for key in [k for k in weights if not k.startswith('visual.')]:
        del weights[key]


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (rename, r'Missing: ln_final\.bias\. Unexpected: text_bias\.'),
        (add, r'Missing: none\. Unexpected: text_bias\.'),
        (reshape, r'positional_embedding \(77, 32\) against \(16, 32\)'),
        (poison, r'NaN or infinite weights: ln_final\.bias'),
        (strip, 'has no text tower'),
    ],
)
def test_files_that_do_not_fit_are_refused_by_name(tmp_path, damage, message):
    weights = clip().state_dict()
    damage(weights)
    encoder = DeCLIPTextEncoder(
        text_config(), save(weights, tmp_path / 'c.pt')
    )
    with pytest.raises(ValueError, match=message):
        encoder.encode(['cat'])
