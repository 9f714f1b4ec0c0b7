"""Attention of OpenAI-type towers with q, k and v as layers of their own."""

from collections.abc import Iterable

import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from ...models.towers.openclip import SplitAttention

__all__ = ['MaskedSplitAttention', 'split_attention']


class MaskedSplitAttention(SplitAttention):
    """:class:`SplitAttention` that honours a (causal) mask."""

    def forward(
        self,
        query: Tensor,
        *_,
        attn_mask: Tensor | None = None,
        need_weights: bool = False,
        **__,
    ) -> tuple[Tensor, None]:
        """(B, T, D) and an additive (T, T) mask -> (B, T, D), None."""
        values = F.scaled_dot_product_attention(
            *self.project(query), attn_mask=attn_mask
        )
        return self.out_proj(values.transpose(1, 2).flatten(2)), None


def split_attention(blocks: Iterable[nn.Module]) -> None:
    """Replace the fused attention of every block, in place.

    Only so can q and v train while k stays: within one fused matrix weight
    decay would move k, too. Files with fused weights still load.

    Args:
        blocks: ``ResidualAttentionBlock`` of open_clip; what is split
            already is left alone.
    """
    for block in blocks:
        attention = block.attn
        if isinstance(attention, SplitAttention):
            continue
        if not (
            isinstance(attention, nn.MultiheadAttention)
            and attention.batch_first
            and attention._qkv_same_embed_dim
        ):
            raise ValueError(
                f'cannot split the {type(attention).__name__} of a '
                f'{type(block).__name__} into q, k and v; known is the plain '
                'batch-first attention of open_clip.'
            )
        frozen = not attention.in_proj_weight.requires_grad
        block.attn = MaskedSplitAttention(attention)
        if frozen:
            block.attn.requires_grad_(False)
