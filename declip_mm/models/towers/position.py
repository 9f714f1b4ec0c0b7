"""Position embeddings for any patch grid."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['embed_with_timm', 'resize_position_embedding']


def embed_with_timm(
    trunk: Any, image: Tensor
) -> tuple[Tensor, tuple[int, int]]:
    """Patches, CLS where there is one, positions, norm before the blocks.

    Args:
        trunk: A ViT of timm that was built with ``dynamic_img_size``.
        image: (B, 3, H, W).

    Returns:
        Tokens (B, T, D) and the grid (h, w).
    """
    patches = trunk.patch_embed(image)  # (B, h, w, D)
    grid = tuple(patches.shape[1:3])
    tokens = patches.flatten(1, 2)
    prefix = 0
    if trunk.cls_token is not None:
        cls = trunk.cls_token.expand(len(image), -1, -1)
        tokens, prefix = torch.cat((cls, tokens), dim=1), 1
    position = resize_position_embedding(trunk.pos_embed[0], grid, prefix)
    return trunk.norm_pre(tokens + position), grid


def resize_position_embedding(
    position: Tensor, grid: tuple[int, int], num_prefix: int = 1
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
