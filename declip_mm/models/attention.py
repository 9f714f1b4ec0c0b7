"""Decoupled self-attention of the last block (DeCLIP, eq. 4-6).

B batch, A heads, T tokens (prefix, then patches), d head width.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention as attend

__all__ = ['AFFINITIES', 'Affinity', 'decoupled_attention', 'resolve_scale']


class Affinity(NamedTuple):
    """How the last block relates tokens.

    Attributes:
        aggregate: ``(q, k, v, scale) -> (B, A, T, d)``; None where the block
            is not decoupled (it then runs as in plain CLIP or MaskCLIP).
        context: which of ``'q'``, ``'k'``, ``'v'`` the context loss sees.
    """

    aggregate: Callable[[Tensor, Tensor, Tensor, float], Tensor] | None
    context: tuple[str, ...]


def _qq(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    return attend(q, q, v, scale=scale)


def _kk(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    return attend(k, k, v, scale=scale)


def _vv(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    return attend(v, v, v, scale=scale)


def _csa(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    # softmax(qq) + softmax(kk): attention is linear in its weights, so the
    # two maps never have to be held at once. Rows sum to two.
    return attend(q, q, v, scale=scale) + attend(k, k, v, scale=scale)


def _all(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    # (qq + kk + vv) / 3 is the dot product of the concatenated vectors.
    joint = torch.cat((q, k, v), dim=-1)  # (B, A, T, 3d)
    return attend(joint, joint, v, scale=scale / 3)


AFFINITIES: dict[str, Affinity] = dict(
    qq=Affinity(_qq, ('q',)),
    kk=Affinity(_kk, ('k',)),
    vv=Affinity(_vv, ('v',)),
    csa=Affinity(_csa, ('q', 'k')),
    all=Affinity(_all, ('q', 'k', 'v')),
    vanilla=Affinity(None, ()),
    maskclip=Affinity(None, ()),
    maskclip_cls=Affinity(None, ()),
)


def resolve_scale(scale: float | str, head_dim: int) -> float:
    """Turn the ``scale`` option into a number.

    Args:
        scale: A positive float, or ``'rsqrt'`` for ``head_dim ** -0.5``
            (paper, eq. 6). The released EVA weights were made with 1.
        head_dim: Width of one attention head.
    """
    if scale == 'rsqrt':
        return head_dim**-0.5
    if isinstance(scale, bool) or not isinstance(scale, (int, float)):
        raise TypeError(
            f"scale must be a positive number or 'rsqrt', got {scale!r}. Use "
            "'rsqrt' for the paper's recipe, 1.0 for the released EVA weights."
        )
    if not 0 < scale < float('inf'):
        raise ValueError(
            f'scale must be positive and finite, got {scale!r}. '
            "Use 'rsqrt' for head_dim ** -0.5."
        )
    return float(scale)


def decoupled_attention(
    q: Tensor, k: Tensor, v: Tensor, affinity: str, scale: float
) -> Tensor:
    """Aggregate values by self-self affinity (paper eq. 4-6).

    Args:
        q, k, v: (B, A, T, d) projections of the last stage, prefix first.
        affinity: A decoupled key of :data:`AFFINITIES`.
        scale: Multiplies the logits before the softmax.

    Returns:
        (B, A, T, d) aggregated values.
    """
    aggregate = AFFINITIES[affinity].aggregate
    if aggregate is None:
        raise ValueError(
            f'affinity={affinity!r} is not decoupled; allowed: '
            f'{[k for k, v in AFFINITIES.items() if v.aggregate]}.'
        )
    return aggregate(q, k, v, scale)
