"""Cost aggregation: over space for each class, over classes at each cell.

B images, T classes, N cells of the h x w grid, D channels, G guidance.
"""

from collections.abc import Callable

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .attention import ClassAttention, WindowAttention

__all__ = [
    'AggregatorLayer',
    'ClassAggregation',
    'SpatialAggregation',
    'run_chunks',
]

Grid = tuple[int, int]


def _mlp(dim: int, activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(dim, 4 * dim), activation, nn.Linear(4 * dim, dim)
    )


def run_chunks(
    function: Callable[..., Tensor],
    x: Tensor,
    size: int | None,
    with_cp: bool,
) -> Tensor:
    """Apply a function that works on each ``x[:, i]`` on its own.

    Args:
        function: Keeps the length of dimension 1.
        x: Its input.
        size: Slices at a time; None takes all at once.
        with_cp: Recompute each chunk in the backward pass.
    """

    def call(part: Tensor) -> Tensor:
        if with_cp and torch.is_grad_enabled():
            return checkpoint(function, part, use_reentrant=False)
        return function(part)

    if size is None or size >= x.shape[1]:
        return call(x)
    return torch.cat([call(p) for p in x.split(size, dim=1)], dim=1)


class SwinBlock(nn.Module):
    """Pre-norm window attention and MLP; no drop path, no position bias."""

    def __init__(
        self,
        dim: int,
        guidance_dim: int,
        num_heads: int,
        window: int,
        shift: int,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(
            dim, guidance_dim, num_heads, window, shift
        )
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = _mlp(dim, nn.GELU())

    def forward(self, x: Tensor, guidance: Tensor, grid: Grid) -> Tensor:
        x = x + self.attn(self.norm1(x), guidance, grid)
        return x + self.mlp(self.norm2(x))


class SpatialAggregation(nn.Module):
    """Two Swin blocks over the cost map of each class, the second shifted.

    Args:
        dim: Channels D.
        guidance_dim: Channels G of the appearance guidance.
        num_heads: Heads.
        window: Side of a window in cells.
    """

    def __init__(
        self, dim: int, guidance_dim: int, num_heads: int, window: int
    ) -> None:
        super().__init__()
        self.window = window
        self.guidance_norm = nn.LayerNorm(guidance_dim)
        self.block1 = SwinBlock(dim, guidance_dim, num_heads, window, 0)
        self.block2 = SwinBlock(
            dim, guidance_dim, num_heads, window, window // 2
        )

    def forward(self, x: Tensor, guidance: Tensor, grid: Grid) -> Tensor:
        """(B, T, N, D) and guidance (B, N, G) -> (B, T, N, D)."""
        guidance = self.guidance_norm(guidance)[:, None]
        return self.block2(self.block1(x, guidance, grid), guidance, grid)


class ClassAggregation(nn.Module):
    """Attention over the classes at each (pooled) cell.

    Fewer than ``pad_length`` classes are filled up with one learned padding
    token and its guidance. The parameters always take part, if only with
    weight 0, so that DDP never waits for their gradient.

    Args:
        dim: Channels D.
        guidance_dim: Channels G of the text guidance.
        num_heads: Heads.
        pad_length: Classes that the attention always sees.
    """

    def __init__(
        self, dim: int, guidance_dim: int, num_heads: int, pad_length: int
    ) -> None:
        super().__init__()
        self.pad_length = pad_length
        self.pad_token = nn.Parameter(torch.zeros(dim))
        self.pad_guidance = nn.Parameter(torch.zeros(guidance_dim))
        self.norm1 = nn.LayerNorm(dim)
        self.attn = ClassAttention(dim, guidance_dim, num_heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = _mlp(dim, nn.ReLU())

    def _attend(self, x: Tensor, guidance: Tensor) -> Tensor:
        """(B, N, T, D) -> (B, N, T, D), cells independent."""
        x = x + self.attn(
            self.norm1(x),
            guidance[:, None],
            self.norm1(self.pad_token),
            self.pad_guidance,
            max(0, self.pad_length - x.shape[2]),
        )
        return x + self.mlp(self.norm2(x))

    def forward(
        self,
        x: Tensor,
        guidance: Tensor,
        grid: Grid,
        pooling: int,
        pixel_chunk: int | None = None,
        with_cp: bool = False,
    ) -> Tensor:
        """Let the classes of each cell look at each other.

        Args:
            x: (B, T, N, D).
            guidance: (B, T, G).
            grid: (h, w) with h * w = N.
            pooling: Side of the average pooling before the attention.
            pixel_chunk: Cells at a time.
            with_cp: Recompute in the backward pass.

        Returns:
            (B, T, N, D): the input plus the attended map.
        """
        batch, classes = x.shape[:2]
        pooled, size = x, grid
        if pooling > 1:
            maps = x.flatten(0, 1).transpose(1, 2).unflatten(-1, grid)
            maps = F.avg_pool2d(maps, pooling)
            size = tuple(maps.shape[-2:])
            pooled = maps.flatten(2).transpose(1, 2)
            pooled = pooled.unflatten(0, (batch, classes))
        out = run_chunks(
            lambda part: self._attend(part, guidance),
            pooled.transpose(1, 2),  # (B, N, T, D)
            pixel_chunk,
            with_cp,
        ).transpose(1, 2)
        if size != tuple(grid):
            maps = out.flatten(0, 1).transpose(1, 2).unflatten(-1, size)
            maps = F.interpolate(
                maps, size=grid, mode='bilinear', align_corners=True
            )
            out = maps.flatten(2).transpose(1, 2)
            out = out.unflatten(0, (batch, classes))
        return x + out


class AggregatorLayer(nn.Module):
    """Spatial, then class aggregation (CAT-Seg, Cho et al., CVPR 2024)."""

    def __init__(
        self,
        dim: int,
        image_guidance_dim: int,
        text_guidance_dim: int,
        num_heads: int,
        window: int,
        pad_length: int,
    ) -> None:
        super().__init__()
        self.spatial = SpatialAggregation(
            dim, image_guidance_dim, num_heads, window
        )
        self.classes = ClassAggregation(
            dim, text_guidance_dim, num_heads, pad_length
        )

    def forward(
        self,
        x: Tensor,
        image_guidance: Tensor,
        text_guidance: Tensor,
        grid: Grid,
        pooling: int,
        class_chunk: int | None = None,
        pixel_chunk: int | None = None,
        with_cp: bool = False,
    ) -> Tensor:
        """(B, T, N, D), (B, N, G), (B, T, G) -> (B, T, N, D)."""
        x = run_chunks(
            lambda part: self.spatial(part, image_guidance, grid),
            x,
            class_chunk,
            with_cp,
        )
        return self.classes(
            x, text_guidance, grid, pooling, pixel_chunk, with_cp
        )
