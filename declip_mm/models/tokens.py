"""Dense maps of two networks on one token grid.

B batch, N = h * w patch tokens, D' channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['to_tokens', 'valid_tokens']


def to_tokens(features: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, D', h', w') -> (B, h * w, D'), resized where grids differ."""
    if features.shape[-2:] != grid:
        features = F.interpolate(
            features.float(), size=grid, mode='bilinear', align_corners=False
        )
    return features.flatten(2).transpose(1, 2)


def valid_tokens(data_samples: list, grid: tuple[int, int]) -> Tensor:
    """(B, h * w) bool: tokens whose patch centre lies in the picture."""
    share = torch.stack([s.valid_hw for s in data_samples])  # (B, 2)
    inside = [
        (torch.arange(n, device=share.device) + 0.5) / n < share[:, i, None]
        for i, n in enumerate(grid)
    ]
    for axis in inside:  # a sliver of a picture keeps its first patch
        axis[:, 0] = True
    return (inside[0][:, :, None] & inside[1][:, None]).flatten(1)
