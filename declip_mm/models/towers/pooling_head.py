"""Attention pooling whose projections train one by one."""

from typing import Any

import torch.nn as nn
from timm.layers import AttentionPoolLatent
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

__all__ = ['PoolingHead']


class PoolingHead(nn.Module):
    """timm's attention pooling with k and v as layers of their own.

    timm fuses the two; one of them does not train where the affinity leaves
    it out, and as rows of a fused matrix weight decay would still move it.

    Args:
        pool: The layer to replace; its weights are kept.
    """

    def __init__(self, pool: AttentionPoolLatent) -> None:
        super().__init__()
        self.num_heads = pool.num_heads
        self.latent = pool.latent
        self.q = pool.q
        width = pool.kv.in_features
        self.k, self.v = nn.Linear(width, width), nn.Linear(width, width)
        for part in ('weight', 'bias'):
            rows = getattr(pool.kv, part).detach().chunk(2)
            for layer, own in zip((self.k, self.v), rows):
                getattr(layer, part).data = own.clone()
        self.q_norm, self.k_norm = pool.q_norm, pool.k_norm
        self.proj, self.norm, self.mlp = pool.proj, pool.norm, pool.mlp

    @staticmethod
    def fits(pool: Any) -> bool:
        """Whether the pooling is of the kind that is known here."""
        return (
            isinstance(pool, AttentionPoolLatent)
            and isinstance(pool.q, nn.Linear)
            and pool.mlp is not None
            and pool.pos_embed is None
            and pool.latent_len == 1
            and pool.out_features == pool.kv.in_features
        )

    def split(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, A, T, d)."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """The probe looks at all tokens: (B, T, D) -> (B, D)."""
        probe = self.latent.expand(len(x), -1, -1)
        values = scaled_dot_product_attention(
            self.q_norm(self.split(self.q(probe))),
            self.k_norm(self.split(self.k(x))),
            self.split(self.v(x)),
        )
        y = self.proj(values.transpose(1, 2).flatten(2))
        return (y + self.mlp(self.norm(y)))[:, 0]
