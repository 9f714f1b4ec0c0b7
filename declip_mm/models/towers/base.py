"""What :class:`~declip_mm.models.DeCLIPViT` needs of an image tower."""

from abc import ABCMeta, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import torch.nn as nn
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from torch import Tensor

__all__ = ['Tower']


class Tower(nn.Module, metaclass=ABCMeta):
    """Adapter of one kind of CLIP image trunk.

    The trunk keeps its library's own modules and key names; the adapter only
    says where the pieces are. B batch, N patch tokens, P prefix tokens (CLS),
    T = P + N tokens (prefix first), D width, C joint dimension; A heads and
    head width d of the attention that is decoupled.

    What is decoupled is the tower's last *stage*. Here the stages are the
    transformer blocks; where attention pools the tokens
    (:class:`PoolingTower`) the pooling head is one more stage after them.

    Attributes:
        trunk: The library's module.
        patch_size: Patch side in pixels.
        native_size: Image side in pixels that the position embedding is for.
        width: D.
        out_dim: C.
        num_heads: A.
        num_prefix: P.
        activation: ``'gelu'``, ``'gelu_tanh'``, ``'quick_gelu'`` or
            ``'swiglu'``.
        pixel_mean, pixel_std: Of RGB in 0 to 1, unless the weights' tag or
            the configuration has others.
        pools: Whether attention pools the tokens.
        decoupling: What is decoupled and on whose authority; goes into the
            fingerprint.
    """

    # Any: to a type checker an nn.Module does not tell its attributes
    trunk: Any
    patch_size: int
    native_size: int
    width: int
    out_dim: int
    num_heads: int
    activation: str
    num_prefix: int = 1
    pixel_mean: tuple[float, ...] = OPENAI_DATASET_MEAN
    pixel_std: tuple[float, ...] = OPENAI_DATASET_STD
    pools: bool = False
    decoupling: str = 'last block'

    @property
    @abstractmethod
    def blocks(self) -> Sequence[Any]:
        """Transformer blocks, first to last."""

    @abstractmethod
    def embed(self, image: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """(B, 3, H, W) -> tokens (B, T, D) with positions, grid (h, w)."""

    @abstractmethod
    def run_block(
        self, index: int, tokens: Tensor, grid: tuple[int, int]
    ) -> Tensor:
        """One ordinary block: (B, T, D) -> (B, T, D)."""

    @abstractmethod
    def last_qkv(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Input of the last stage (B, T, D) -> q, k, v, each (B, A, T, d).

        Its norm and projections; no rotary embedding, whatever the trunk
        does in its other blocks.
        """

    @abstractmethod
    def merge_heads(self, values: Tensor) -> Tensor:
        """(B, A, T, d) -> (B, T, D): inner norm, output projection, scale."""

    @abstractmethod
    def last_mlp(self, tokens: Tensor) -> Tensor:
        """FFN branch of the last stage with its norm, without residual."""

    @abstractmethod
    def project(self, tokens: Tensor) -> Tensor:
        """What follows the last stage: (..., D) -> (..., C)."""

    @abstractmethod
    def stem_parameters(self) -> Iterator[nn.Parameter]:
        """Patch embedding, CLS, position embedding, norm before blocks."""

    @abstractmethod
    def head_parameters(self) -> Iterator[nn.Parameter]:
        """Final norm and projection head."""

    @abstractmethod
    def last_projection(self, name: str) -> list[nn.Parameter]:
        """Parameters of projection ``'q'``, ``'k'`` or ``'v'``, last stage."""

    @abstractmethod
    def last_mlp_parameters(self) -> Iterator[nn.Parameter]:
        """What :meth:`last_mlp` uses and a decoupled stage leaves out."""

    def idle_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters that no form of the dense features uses."""
        return iter(())

    def last_vanilla(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """The last stage as it is: (B, T, D) -> (B, T, D)."""
        return self.run_block(self.num_layers - 1, tokens, grid)

    def last_ordinary(self, tokens: Tensor, merged: Tensor) -> Tensor:
        """Residuals and FFN of the ordinary stage around its attention.

        Args:
            tokens: (B, T, D) or (B, 1, D), what the residual is.
            merged: (B, T, D), from :meth:`merge_heads`.
        """
        out = tokens + merged
        return out + self.last_mlp(out)

    def last_decoupled(
        self, tokens: Tensor, merged: Tensor, residual: bool, ffn: bool
    ) -> Tensor:
        """What of them a decoupled stage keeps; arguments as above."""
        out = tokens + merged if residual else merged
        return out + self.last_mlp(out) if ffn else out

    def pool(self, tokens: Tensor) -> Tensor:
        """Output of all blocks (B, T, D) -> image embedding (B, C)."""
        return self.project(tokens[:, 0])

    def pool_last(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """Input of the last block (B, T, D) -> image embedding (B, C).

        A tower that reads its class token alone computes no other row.
        """
        return self.pool(self.run_block(self.num_layers - 1, tokens, grid))

    def kept_tables(self) -> list[Tensor]:
        """Tables of positions that are kept by grid, and may be dropped.

        Who records a pass as a CUDA graph has to hold on to them.
        """
        keepers = (getattr(self, n, None) for n in ('rotary', 'positions'))
        return [table for k in keepers if k is not None for table in k.kept]

    @property
    def stages(self) -> list[nn.Module]:
        """What ``frozen_stages`` and ``out_indices`` count."""
        return list(self.blocks)

    @property
    def num_stages(self) -> int:
        return len(self.stages)

    @property
    def num_layers(self) -> int:
        return len(self.blocks)

    @property
    def head_dim(self) -> int:
        return self.width // self.num_heads

    def split_heads(self, tokens: Tensor) -> Tensor:
        """(B, T, D) -> (B, A, T, d)."""
        return tokens.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
