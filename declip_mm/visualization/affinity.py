"""Patch-correlation maps (paper, figure 7)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['affinity_map', 'patch_of']


def patch_of(point: tuple[float, float], grid: tuple[int, int]) -> int:
    """Index of the patch token under a point.

    Args:
        point: (x, y) in [0, 1] of the picture that the grid covers.
        grid: (h, w).
    """
    x, y = point
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise ValueError(f'anchor point must lie in [0, 1], got {point}.')
    h, w = grid
    return min(int(y * h), h - 1) * w + min(int(x * w), w - 1)


def affinity_map(
    context: Sequence[Tensor],
    grid: tuple[int, int],
    point: tuple[float, float],
) -> Tensor:
    """Cosine of one patch with all patches, the row the context loss sees.

    Args:
        context: Tensors (N, D) of one image; their cosines are averaged.
        grid: (h, w) with h * w = N.
        point: (x, y) of the anchor in [0, 1].

    Returns:
        (h, w) in [-1, 1].
    """
    anchor = patch_of(point, grid)
    rows = []
    for tokens in context:
        unit = F.normalize(tokens.float(), dim=-1)
        rows.append(unit @ unit[anchor])
    return torch.stack(rows).mean(dim=0).reshape(grid)
