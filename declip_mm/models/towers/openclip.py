"""OpenAI-type ViTs of open_clip: OpenAI, OpenCLIP, MetaCLIP, DFN."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from .base import Tower
from .fitting import FITTING
from .position import ResizedPositions

__all__ = ['OpenCLIPTower', 'SplitAttention']


class SplitAttention(nn.Module):
    """``nn.MultiheadAttention`` with q, k and v as layers of their own.

    One of the three does not train where the affinity leaves it out; as rows
    of a fused matrix it would still be moved by weight decay. Fused weights
    load as they are and are split on the way in.

    Args:
        attention: The self-attention to replace; its weights are kept.
    """

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        width = attention.embed_dim
        self.num_heads = attention.num_heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)
        self._register_load_state_dict_pre_hook(self._split_fused)
        self.load_state_dict(attention.state_dict())

    @staticmethod
    def _split_fused(state_dict: dict, prefix: str, *_: Any) -> None:
        for part in ('weight', 'bias'):
            fused = state_dict.pop(f'{prefix}in_proj_{part}', None)
            if fused is not None:
                for name, rows in zip('qkv', fused.chunk(3)):
                    state_dict[f'{prefix}{name}_proj.{part}'] = rows

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, D) -> q, k, v, each (B, A, T, d)."""
        q, k, v = (
            layer(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        return q, k, v

    def forward(
        self, query: Tensor, *_: Any, need_weights: bool = False, **__: Any
    ) -> tuple[Tensor, None]:
        """Self-attention with the return type of the replaced module."""
        values = scaled_dot_product_attention(*self.project(query))
        return self.out_proj(values.transpose(1, 2).flatten(2)), None


class FusedAttention(nn.MultiheadAttention):
    """The module's own computation, by torch's fused attention.

    Without gradients the module takes another way, which on a CPU holds a
    matrix of tokens by tokens. An existing module becomes one by its class,
    so that its weights stay where they are.
    """

    def forward(
        self, query: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, None]:
        """Self-attention without a mask: (B, T, D) -> (B, T, D)."""
        joint = F.linear(query, self.in_proj_weight, self.in_proj_bias)
        q, k, v = (
            part.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for part in joint.chunk(3, dim=-1)
        )
        values = scaled_dot_product_attention(q, k, v)
        return self.out_proj(values.transpose(1, 2).flatten(2)), None


class OpenCLIPTower(Tower):
    """Image tower of OpenAI's CLIP (Radford et al., 2021) and its heirs.

    Args:
        trunk: ``open_clip.transformer.VisionTransformer``.
        activation: ``'gelu'`` or ``'quick_gelu'``, as ``trunk`` was built.
    """

    def __init__(self, trunk: VisionTransformer, activation: str) -> None:
        super().__init__()
        self._check(trunk)
        *others, last = trunk.transformer.resblocks
        last.attn = SplitAttention(last.attn)
        for block in others:
            if type(block.attn) is nn.MultiheadAttention:
                block.attn.__class__ = FusedAttention
        self.trunk = trunk
        self.positions = ResizedPositions()
        self.patch_size = trunk.patch_size[0]
        self.native_size = trunk.image_size[0]
        self.width = trunk.conv1.out_channels
        self.out_dim = trunk.output_dim
        self.num_heads = last.attn.num_heads
        self.activation = activation

    @staticmethod
    def _check(trunk: nn.Module) -> None:
        if not isinstance(trunk, VisionTransformer):
            raise ValueError(
                f'a {type(trunk).__name__} is no ViT: it has no tokens whose '
                f'attention could be decoupled. {FITTING}'
            )
        if trunk.attn_pool is not None or trunk.pool_type != 'tok':
            raise ValueError(
                'this open_clip ViT pools by attention or average, as CoCa '
                'does; the decoupled block needs a class token '
                f'(pool_type="tok"). {FITTING}'
            )
        block = trunk.transformer.resblocks[-1]
        if type(block) is not ResidualAttentionBlock:
            raise ValueError(
                f'last block is a {type(block).__name__}; only the plain '
                f'ResidualAttentionBlock of open_clip is known. {FITTING}'
            )

    @property
    def blocks(self) -> Sequence[Any]:
        return self.trunk.transformer.resblocks

    def embed(self, image: Tensor) -> tuple[Tensor, tuple[int, int]]:
        trunk = self.trunk
        patches = trunk.conv1(image)  # (B, D, h, w)
        grid = tuple(patches.shape[2:])
        patches = patches.flatten(2).transpose(1, 2)  # (B, N, D)
        cls = trunk.class_embedding.to(patches.dtype)
        cls = cls.expand(len(image), 1, -1)
        position = self.positions(trunk.positional_embedding, grid)
        tokens = torch.cat((cls, patches), dim=1) + position
        return trunk.ln_pre(tokens), grid

    def run_block(
        self, index: int, tokens: Tensor, grid: tuple[int, int]
    ) -> Tensor:
        return self.blocks[index](tokens)

    def pool_last(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        block = self.blocks[-1]
        attn, x = block.attn, block.ln_1(tokens)
        q, k, v = (
            self.split_heads(layer(part))
            for layer, part in (
                (attn.q_proj, x[:, :1]),
                (attn.k_proj, x),
                (attn.v_proj, x),
            )
        )
        merged = self.merge_heads(scaled_dot_product_attention(q, k, v))
        return self.pool(self.last_ordinary(tokens[:, :1], merged))

    def last_qkv(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        block = self.blocks[-1]
        return block.attn.project(block.ln_1(tokens))

    def merge_heads(self, values: Tensor) -> Tensor:
        block = self.blocks[-1]
        x = block.attn.out_proj(values.transpose(1, 2).flatten(2))
        return block.ls_1(x)

    def last_mlp(self, tokens: Tensor) -> Tensor:
        block = self.blocks[-1]
        return block.ls_2(block.mlp(block.ln_2(tokens)))

    def project(self, tokens: Tensor) -> Tensor:
        return self.trunk.ln_post(tokens) @ self.trunk.proj

    def stem_parameters(self) -> Iterator[nn.Parameter]:
        trunk = self.trunk
        yield trunk.class_embedding
        yield trunk.positional_embedding
        yield from trunk.conv1.parameters()
        yield from trunk.ln_pre.parameters()

    def head_parameters(self) -> Iterator[nn.Parameter]:
        yield from self.trunk.ln_post.parameters()
        yield self.trunk.proj

    def last_projection(self, name: str) -> list[nn.Parameter]:
        return list(getattr(self.blocks[-1].attn, f'{name}_proj').parameters())

    def last_mlp_parameters(self) -> Iterator[nn.Parameter]:
        block = self.blocks[-1]
        for module in (block.ln_2, block.mlp, block.ls_2):
            yield from module.parameters()
