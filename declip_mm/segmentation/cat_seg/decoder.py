"""From aggregated cost maps to logits at four times the grid.

B images, T classes, D channels.
"""

from collections.abc import Sequence

import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

__all__ = ['CostDecoder', 'UpBlock']


class UpBlock(nn.Module):
    """Double the size, look at the guidance, two normalised convolutions.

    The guidance is the same for all classes of an image: its part of the
    first convolution is computed once an image and added by broadcasting.

    Args:
        in_dim: Input channels.
        up_dim: Channels after the transposed convolution.
        guidance_dim: Guidance channels.
        out_dim: Output channels, in groups of 16 for GroupNorm.
    """

    def __init__(
        self, in_dim: int, up_dim: int, guidance_dim: int, out_dim: int
    ) -> None:
        super().__init__()
        groups = max(1, out_dim // 16)
        self.up_dim = up_dim
        self.up = nn.ConvTranspose2d(in_dim, up_dim, 2, stride=2)
        self.conv1 = nn.Conv2d(
            up_dim + guidance_dim, out_dim, 3, padding=1, bias=False
        )
        self.norm1 = nn.GroupNorm(groups, out_dim)
        self.conv2 = nn.Conv2d(out_dim, out_dim, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(groups, out_dim)

    def forward(self, x: Tensor, guidance: Tensor) -> Tensor:
        """(B, T, D, h, w) and (B, G, 2h, 2w) -> (B, T, out_dim, 2h, 2w)."""
        batch, weight = len(x), self.conv1.weight
        own = F.conv2d(
            self.up(x.flatten(0, 1)), weight[:, : self.up_dim], padding=1
        )
        shared = F.conv2d(guidance, weight[:, self.up_dim :], padding=1)
        out = own.unflatten(0, (batch, -1)) + shared[:, None]
        out = F.relu(self.norm1(out.flatten(0, 1)))
        out = F.relu(self.norm2(self.conv2(out)))
        return out.unflatten(0, (batch, -1))


class CostDecoder(nn.Module):
    """Two :class:`UpBlock` and a 3x3 convolution to one logit.

    Args:
        dim: Channels of the aggregated cost.
        dims: Output channels of the two blocks.
        guidance_dims: Channels of the two guidance maps. A block's
            transposed convolution fills its input up to ``dim`` (``dims[0]``
            for the second) together with its guidance.
    """

    def __init__(
        self, dim: int, dims: Sequence[int], guidance_dims: Sequence[int]
    ) -> None:
        super().__init__()
        ins = (dim, dims[0])
        self.up1, self.up2 = (
            UpBlock(size, size - guide, guide, out)
            for size, guide, out in zip(ins, guidance_dims, dims)
        )
        self.predict = nn.Conv2d(dims[1], 1, 3, padding=1)

    def forward(self, x: Tensor, guidance: Sequence[Tensor]) -> Tensor:
        """Decode every class on its own.

        Args:
            x: (B, T, D, h, w).
            guidance: (B, G1, 2h, 2w) and (B, G2, 4h, 4w).

        Returns:
            (B, T, 4h, 4w) logits.
        """
        x = self.up2(self.up1(x, guidance[0]), guidance[1])
        return self.predict(x.flatten(0, 1)).view(len(x), -1, *x.shape[-2:])
