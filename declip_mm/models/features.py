"""The one feature contract of all consumers."""

from typing import NamedTuple, Tuple

from torch import Tensor

__all__ = ['DenseFeatures', 'to_map']


class DenseFeatures(NamedTuple):
    """Dense output of one pass.

    Attributes:
        content: (B, C, h, w) vision-language features, never normalised.
        context: One to three (B, N, D) tensors whose affinity the context
            loss sees: q, k or v of the patches, heads concatenated. For an
            affinity that is not decoupled, the content tokens (B, N, C).
        taps: (B, D, h, w) outputs of the blocks that were asked for.
    """

    content: Tensor
    context: Tuple[Tensor, ...]
    taps: Tuple[Tensor, ...]


def to_map(tokens: Tensor, grid: Tuple[int, int]) -> Tensor:
    """(B, N, D) -> (B, D, h, w)."""
    return tokens.transpose(1, 2).unflatten(-1, grid)
