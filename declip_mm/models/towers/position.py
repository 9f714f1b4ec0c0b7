"""Position embeddings for any patch grid."""

from typing import Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['resize_position_embedding']


def resize_position_embedding(
    position: Tensor, grid: Tuple[int, int], num_prefix: int = 1
) -> Tensor:
    """Resize the patch part of a learned position embedding.

    Bicubic, without antialiasing: CLIP's descendants were evaluated that way,
    while timm and open_clip smooth by default, which moves dense features by
    2e-3 to 5e-3.

    Args:
        position: (num_prefix + n * n, D); the patch part belongs to a square.
        grid: Wanted (h, w).
        num_prefix: Leading entries (CLS) that are kept as they are.

    Returns:
        (num_prefix + h * w, D)
    """
    h, w = grid
    prefix, patches = position[:num_prefix], position[num_prefix:]
    side = round(len(patches) ** 0.5)
    if side * side != len(patches):
        raise ValueError(
            f'position embedding has {len(patches)} patch entries, which is '
            'no square grid: only square native images are supported.'
        )
    if (h, w) == (side, side):
        return position
    # (n * n, D) -> (1, D, n, n)
    field = patches.float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    field = F.interpolate(
        field, size=(h, w), mode='bicubic', align_corners=False
    )
    # (1, D, h, w) -> (h * w, D)
    resized = field.flatten(2)[0].t().to(position.dtype)
    return torch.cat((prefix, resized))
