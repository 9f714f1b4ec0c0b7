"""The two attentions of CAT-Seg's cost aggregation.

B images, T classes, N cells of the h x w grid, D channels, G guidance
channels, A heads, L length of an attention (tokens, or padded classes).

Guidance is the same for every class (or every cell) of an image. Instead of
being copied and concatenated to the tokens, it goes through its own columns
of the projection and is added by broadcasting: the same numbers, without T
copies and without a batch order to get wrong.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

__all__ = ['ClassAttention', 'GuidedLinear', 'WindowAttention', 'shift_mask']


class GuidedLinear(nn.Linear):
    """Linear layer over the concatenation of tokens and guidance.

    Args:
        dim: Token channels.
        guidance_dim: Guidance channels.
        out_dim: Output channels.
    """

    def __init__(self, dim: int, guidance_dim: int, out_dim: int) -> None:
        super().__init__(dim + guidance_dim, out_dim)
        self.dim = dim

    def forward(self, tokens: Tensor, guidance: Tensor) -> Tensor:
        """(..., dim) and a broadcastable (..., guidance_dim)."""
        own, shared = self.weight[:, : self.dim], self.weight[:, self.dim :]
        return F.linear(tokens, own) + F.linear(guidance, shared, self.bias)


def shift_mask(
    grid: tuple[int, int], window: int, shift: int, device: torch.device
) -> Tensor:
    """Additive mask that keeps rolled windows from mixing far-off cells.

    Swin (Liu et al., ICCV 2021): -100 between cells of a window that are no
    neighbours in the picture.

    Returns:
        (windows, L, L) with L = window ** 2.
    """
    h, w = grid
    rows = torch.zeros(h, dtype=torch.long, device=device)
    columns = torch.zeros(w, dtype=torch.long, device=device)
    for line in (rows, columns):
        line[-window:-shift] = 1
        line[-shift:] = 2
    region = rows[:, None] * 3 + columns[None]
    region = _windows(region[None, :, :, None], window).flatten(1)
    differ = region[:, None, :] != region[:, :, None]
    return differ.float() * -100.0


def _windows(x: Tensor, window: int) -> Tensor:
    """(M, h, w, D) -> (M * windows, L, D)."""
    x = x.unflatten(2, (-1, window)).unflatten(1, (-1, window))
    # (M, h / window, window, w / window, window, D)
    return x.transpose(2, 3).flatten(3, 4).flatten(0, 2)


def _from_windows(x: Tensor, grid: tuple[int, int], window: int) -> Tensor:
    """(M * windows, L, D) -> (M, h, w, D)."""
    h, w = grid
    shape = (-1, h // window, w // window, window, window)
    x = x.unflatten(1, (window, window))
    x = x.reshape(*shape, x.shape[-1]).transpose(2, 3)
    return x.flatten(3, 4).flatten(1, 2)


class WindowAttention(nn.Module):
    """Attention within (shifted) windows, guided by appearance.

    Queries and keys see tokens and guidance, values the tokens alone; no
    relative position bias.

    Args:
        dim: Channels D.
        guidance_dim: Channels G.
        num_heads: Heads A.
        window: Side of a window in cells.
        shift: By how many cells the windows are rolled; 0 for none.
    """

    def __init__(
        self,
        dim: int,
        guidance_dim: int,
        num_heads: int,
        window: int,
        shift: int,
    ) -> None:
        super().__init__()
        self.num_heads, self.window, self.shift = num_heads, window, shift
        self.q = GuidedLinear(dim, guidance_dim, dim)
        self.k = GuidedLinear(dim, guidance_dim, dim)
        self.v = nn.Linear(dim, dim)
        self.proj = nn.Linear(dim, dim)

    def _heads(self, x: Tensor, count: int, grid: tuple[int, int]) -> Tensor:
        """(B, T, N, D) -> (B * T * windows, A, L, D / A)."""
        x = x.reshape(count, *grid, -1)
        if self.shift:
            x = x.roll((-self.shift, -self.shift), dims=(1, 2))
        x = _windows(x, self.window)
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def forward(
        self, tokens: Tensor, guidance: Tensor, grid: tuple[int, int]
    ) -> Tensor:
        """Attend within windows.

        Args:
            tokens: (B, T, N, D), normalised.
            guidance: (B, 1, N, G).
            grid: (h, w) with h * w = N, multiples of the window.

        Returns:
            (B, T, N, D)
        """
        count = tokens.shape[0] * tokens.shape[1]
        q, k, v = (
            self._heads(x, count, grid)
            for x in (
                self.q(tokens, guidance),
                self.k(tokens, guidance),
                self.v(tokens),
            )
        )
        mask: Tensor | None = None
        if self.shift:
            mask = shift_mask(grid, self.window, self.shift, q.device)
            # (B * T * windows, A, L, L) without a copy per class
            q, k, v = (x.unflatten(0, (count, -1)) for x in (q, k, v))
            mask = mask[None, :, None].to(q.dtype)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        out = out.reshape(-1, *out.shape[-3:]).transpose(1, 2).flatten(2)
        out = _from_windows(out, grid, self.window)
        if self.shift:
            out = out.roll((self.shift, self.shift), dims=(1, 2))
        return self.proj(out.reshape(tokens.shape))


class ClassAttention(nn.Module):
    """Linear attention over the classes at one cell, guided by their texts.

    Katharopoulos et al. (ICML 2020) with feature map elu + 1. Padding tokens
    are all alike, so one of them counts ``num_pad`` times in both sums.

    Args:
        dim: Channels D.
        guidance_dim: Channels G.
        num_heads: Heads A.
    """

    eps = 1e-6

    def __init__(self, dim: int, guidance_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q = GuidedLinear(dim, guidance_dim, dim)
        self.k = GuidedLinear(dim, guidance_dim, dim)
        self.v = nn.Linear(dim, dim)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1))

    def forward(
        self,
        tokens: Tensor,
        guidance: Tensor,
        pad: Tensor,
        pad_guidance: Tensor,
        num_pad: int,
    ) -> Tensor:
        """Attend over the classes of each cell.

        Args:
            tokens: (B, N, T, D), normalised.
            guidance: (B, 1, T, G).
            pad: (D,) padding token, normalised.
            pad_guidance: (G,).
            num_pad: How many padding tokens there are.

        Returns:
            (B, N, T, D)
        """
        length = tokens.shape[2] + num_pad
        q = F.elu(self._split(self.q(tokens, guidance))) + 1
        k = F.elu(self._split(self.k(tokens, guidance))) + 1
        v = self._split(self.v(tokens)) / length  # keeps fp16 in range
        k_pad = F.elu(self._split(self.k(pad, pad_guidance))) + 1
        v_pad = self._split(self.v(pad)) / length
        memory = torch.einsum('bntad,bntae->bnade', k, v)
        memory = memory + num_pad * torch.einsum('ad,ae->ade', k_pad, v_pad)
        norm = k.sum(dim=2) + num_pad * k_pad  # (B, N, A, D / A)
        out = torch.einsum('bntad,bnade->bntae', q, memory)
        weight = torch.einsum('bntad,bnad->bnta', q, norm) + self.eps
        return (out / weight[..., None] * length).flatten(3)
