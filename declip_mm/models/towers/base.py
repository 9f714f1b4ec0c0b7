"""What :class:`~declip_mm.models.DeCLIPViT` needs of an image tower."""

from abc import ABCMeta, abstractmethod
from typing import Iterator, List, Sequence, Tuple

import torch.nn as nn
from torch import Tensor

__all__ = ['Tower']


class Tower(nn.Module, metaclass=ABCMeta):
    """Adapter of one kind of CLIP image trunk.

    The trunk keeps its library's own modules and key names; the adapter only
    says where the pieces are. B batch, N patch tokens, T = 1 + N tokens (CLS
    first), D width, A heads, d head width, C joint dimension.

    Attributes:
        trunk: The library's module.
        patch_size: Patch side in pixels.
        native_size: Image side in pixels that the position embedding is for.
        width: D.
        out_dim: C.
        num_heads: A.
        activation: ``'gelu'``, ``'quick_gelu'`` or ``'swiglu'``.
    """

    trunk: nn.Module
    patch_size: int
    native_size: int
    width: int
    out_dim: int
    num_heads: int
    activation: str

    @property
    @abstractmethod
    def blocks(self) -> Sequence[nn.Module]:
        """Transformer blocks, first to last."""

    @abstractmethod
    def embed(self, image: Tensor) -> Tuple[Tensor, Tuple[int, int]]:
        """(B, 3, H, W) -> tokens (B, T, D) with positions, grid (h, w)."""

    @abstractmethod
    def run_block(
        self, index: int, tokens: Tensor, grid: Tuple[int, int]
    ) -> Tensor:
        """One ordinary block: (B, T, D) -> (B, T, D)."""

    @abstractmethod
    def last_qkv(self, tokens: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        """Input of the last block (B, T, D) -> q, k, v, each (B, A, T, d).

        LN1 and the projections; no rotary embedding, whatever the trunk does
        in its other blocks.
        """

    @abstractmethod
    def merge_heads(self, values: Tensor) -> Tensor:
        """(B, A, T, d) -> (B, T, D): inner norm, output projection, scale."""

    @abstractmethod
    def last_mlp(self, tokens: Tensor) -> Tensor:
        """FFN branch of the last block without its residual."""

    @abstractmethod
    def project(self, tokens: Tensor) -> Tensor:
        """Final norm and projection head: (..., D) -> (..., C)."""

    @abstractmethod
    def stem_parameters(self) -> Iterator[nn.Parameter]:
        """Patch embedding, CLS, position embedding, norm before blocks."""

    @abstractmethod
    def head_parameters(self) -> Iterator[nn.Parameter]:
        """Final norm and projection head."""

    @abstractmethod
    def last_projection(self, name: str) -> List[nn.Parameter]:
        """Parameters of projection ``'q'``, ``'k'`` or ``'v'``, last block."""

    @abstractmethod
    def last_mlp_parameters(self) -> Iterator[nn.Parameter]:
        """LN2, FFN and their layer-scale in the last block."""

    @property
    def num_layers(self) -> int:
        return len(self.blocks)

    @property
    def head_dim(self) -> int:
        return self.width // self.num_heads

    def split_heads(self, tokens: Tensor) -> Tensor:
        """(B, T, D) -> (B, A, T, d)."""
        return tokens.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
