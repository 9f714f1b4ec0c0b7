"""EVA-02-CLIP trunks of timm."""

from collections.abc import Iterator, Sequence
from typing import Any

import timm
import torch
import torch.nn as nn
from timm.layers import apply_rot_embed_cat
from timm.models.eva import Eva
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from .base import Tower
from .position import ResizedPositions, RotaryTables, embed_with_timm

__all__ = ['EVATower']


class EVATower(Tower):
    """EVA-02 ViT (Sun et al., arXiv 2303.15389) as timm builds it.

    Args:
        name: timm model name, e.g. ``'eva02_base_patch16_clip_224'``.
        out_dim: Dimension C of the joint space.
        image_size: Native image side in pixels.
        timm_kwargs: Further arguments of the timm model (tiny trunks).
    """

    def __init__(
        self,
        name: str,
        out_dim: int,
        image_size: int,
        timm_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        trunk: Any = timm.create_model(
            name,
            pretrained=False,
            num_classes=out_dim,
            img_size=image_size,
            # Grids come with the pictures; the adapter resizes positions.
            dynamic_img_size=True,
            **(timm_kwargs or {}),
        )
        self._check(name, trunk)
        self.trunk = trunk
        self.rotary = RotaryTables(trunk.rope)
        self.positions = ResizedPositions()
        self.patch_size = trunk.patch_embed.patch_size[0]
        self.native_size = image_size
        self.width = trunk.embed_dim
        self.out_dim = out_dim
        self.num_heads = trunk.blocks[0].attn.num_heads
        self.activation = 'swiglu'

    @staticmethod
    def _check(name: str, trunk: Any) -> None:
        reasons = []
        if not isinstance(trunk, Eva):
            reasons.append(f'it is a {type(trunk).__name__}, not an Eva')
        elif getattr(trunk.blocks[0].attn, 'q_proj', None) is None:
            reasons.append('its q, k and v projections are fused')
        elif trunk.cls_token is None or trunk.reg_token is not None:
            reasons.append('it has no class token, or has registers')
        elif trunk.global_pool != 'token':
            reasons.append(f'it pools by {trunk.global_pool!r}, not by CLS')
        if reasons:
            raise ValueError(
                f'timm model {name!r} does not fit the EVA tower: '
                f'{reasons[0]}. Use an eva02_*_clip_* model.'
            )

    @property
    def blocks(self) -> Sequence[Any]:
        return self.trunk.blocks

    def embed(self, image: Tensor) -> tuple[Tensor, tuple[int, int]]:
        return embed_with_timm(self.trunk, image, self.positions)

    def run_block(
        self, index: int, tokens: Tensor, grid: tuple[int, int]
    ) -> Tensor:
        return self.blocks[index](tokens, rope=self.rotary(grid))

    def pool_last(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        block = self.blocks[-1]
        attn, x = block.attn, block.norm1(tokens)
        q = attn.q_norm(self.split_heads(attn.q_proj(x[:, :1])))
        k = attn.k_norm(self.split_heads(attn.k_proj(x)))
        v = self.split_heads(attn.v_proj(x))
        turned = apply_rot_embed_cat(
            k[:, :, 1:], self.rotary(grid), half=attn.rotate_half
        )
        k = torch.cat((k[:, :, :1], turned), dim=2).type_as(v)
        merged = self.merge_heads(scaled_dot_product_attention(q, k, v))
        return self.pool(self.last_ordinary(tokens[:, :1], merged))

    def last_qkv(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        block = self.blocks[-1]
        x = block.norm1(tokens)
        attn = block.attn
        q, k, v = (
            self.split_heads(p(x))
            for p in (attn.q_proj, attn.k_proj, attn.v_proj)
        )
        return attn.q_norm(q), attn.k_norm(k), v

    def merge_heads(self, values: Tensor) -> Tensor:
        block = self.blocks[-1]
        x = block.attn.norm(values.transpose(1, 2).flatten(2))
        x = block.attn.proj(x)
        return x if block.gamma_1 is None else block.gamma_1 * x

    def last_mlp(self, tokens: Tensor) -> Tensor:
        block = self.blocks[-1]
        x = block.mlp(block.norm2(tokens))
        return x if block.gamma_2 is None else block.gamma_2 * x

    def project(self, tokens: Tensor) -> Tensor:
        return self.trunk.head(self.trunk.fc_norm(self.trunk.norm(tokens)))

    def stem_parameters(self) -> Iterator[nn.Parameter]:
        trunk = self.trunk
        yield trunk.cls_token
        yield trunk.pos_embed
        yield from trunk.patch_embed.parameters()
        yield from trunk.norm_pre.parameters()

    def head_parameters(self) -> Iterator[nn.Parameter]:
        for module in (self.trunk.norm, self.trunk.fc_norm, self.trunk.head):
            yield from module.parameters()

    def last_projection(self, name: str) -> list[nn.Parameter]:
        return list(getattr(self.blocks[-1].attn, f'{name}_proj').parameters())

    def last_mlp_parameters(self) -> Iterator[nn.Parameter]:
        block = self.blocks[-1]
        yield from block.norm2.parameters()
        yield from block.mlp.parameters()
        if block.gamma_2 is not None:
            yield block.gamma_2
