"""Affinities against the formulas written out (paper eq. 4-6)."""

import pytest
import torch

from declip_mm.models.attention import (
    AFFINITIES,
    decoupled_attention,
    resolve_scale,
)


def written_out(q, k, v, affinity, scale):
    def soft(logits):
        return (scale * logits).softmax(-1)

    qq, kk, vv = (t @ t.transpose(-1, -2) for t in (q, k, v))
    weights = dict(
        qq=soft(qq),
        kk=soft(kk),
        vv=soft(vv),
        csa=soft(qq) + soft(kk),
        all=soft((qq + kk + vv) / 3),
    )[affinity]
    return weights @ v


@pytest.mark.parametrize('scale', [0.25, 1.0])
@pytest.mark.parametrize('affinity', ['qq', 'kk', 'vv', 'csa', 'all'])
def test_matches_formula(affinity, scale):
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 3, 7, 4, dtype=torch.float64)
    found = decoupled_attention(q, k, v, affinity, scale)
    wanted = written_out(q, k, v, affinity, scale)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize('affinity', ['qq', 'csa', 'all'])
def test_gradcheck(affinity):
    torch.manual_seed(0)
    tensors = torch.randn(3, 1, 1, 3, 2, dtype=torch.float64)
    q, k, v = (t.clone().requires_grad_() for t in tensors)
    assert torch.autograd.gradcheck(
        lambda *t: decoupled_attention(*t, affinity, 0.7), (q, k, v)
    )


def test_a_plain_block_is_not_aggregated_here():
    with pytest.raises(ValueError, match="'vanilla' is not decoupled.*'qq'"):
        decoupled_attention(*torch.randn(3, 1, 1, 2, 4), 'vanilla', 1.0)


def test_context_names_follow_the_affinity():
    names = {key: ''.join(a.context) for key, a in AFFINITIES.items()}
    assert names == dict(
        qq='q',
        kk='k',
        vv='v',
        csa='qk',
        all='qkv',
        vanilla='',
        maskclip='',
        maskclip_cls='',
    )


def test_scale():
    assert resolve_scale('rsqrt', 64) == 0.125
    assert resolve_scale(1, 64) == 1.0
    for wrong in ('sqrt', None, True):
        with pytest.raises(TypeError, match='rsqrt'):
            resolve_scale(wrong, 64)
    for wrong in (0, -1.0, float('inf'), float('nan')):
        with pytest.raises(ValueError, match='positive'):
            resolve_scale(wrong, 64)
