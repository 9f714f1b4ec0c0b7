"""Who attends to whom, layer by layer (paper, figure 3)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ['LayerAttention', 'attention_by_layer', 'evenly']


class LayerAttention(NamedTuple):
    """Attention of chosen tokens in one layer, mean over heads.

    Attributes:
        weights: (B, R, T) float32; rows sum to one. Keys are the P prefix
            tokens (CLS), then the N patches row by row.
        num_prefix: P.
        grid: (h, w) of the patches.
    """

    weights: Tensor
    num_prefix: int
    grid: tuple[int, int]

    @property
    def patches(self) -> Tensor:
        """(B, R, N): the weights on patches alone, not renormalised."""
        return self.weights[..., self.num_prefix :]


class _Watch(TorchFunctionMode):
    """Reads queries and keys of every self-attention that is computed.

    Every tower, ours and its library's, ends in one of two functions of
    torch. Watching these needs no hook in a forward and no second copy of how
    a library projects, normalises and rotates its queries. Calls that sum up
    the same values (``csa`` has two) belong to one layer; their mean is kept.
    """

    def __init__(self, rows: Tensor | None) -> None:
        super().__init__()
        self.rows = rows
        self.layers: list[list[Tensor]] = []
        self._values: Any = None

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            q, k, v = args[:3]
            self._keep(q, k, v, kwargs.get('scale'))
        elif func is F.multi_head_attention_forward:
            q, k = _fused_projections(*args[:1], *args[4:7])
            self._keep(q, k, object(), None)
        return func(*args, **kwargs)

    def _keep(
        self, q: Tensor, k: Tensor, values: Any, scale: float | None
    ) -> None:
        """q and k (B, A, T, d)."""
        if q.shape[-2] != k.shape[-2]:
            return  # a pooling query that is no token of the picture
        scale = q.shape[-1] ** -0.5 if scale is None else scale
        chosen = q if self.rows is None else q[:, :, self.rows]
        weights = torch.zeros(len(q), chosen.shape[2], k.shape[2])
        for head in range(q.shape[1]):  # one map at a time: memory
            logits = scale * chosen[:, head].float() @ k[:, head].float().mT
            weights += logits.softmax(dim=-1).cpu()
        if values is not self._values:
            self.layers.append([])
        self._values = values
        self.layers[-1].append(weights / q.shape[1])


def _fused_projections(
    x: Tensor, num_heads: int, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Arguments of ``multi_head_attention_forward`` -> q, k (B, A, T, d)."""
    q, k, _ = F.linear(x, weight, bias).chunk(3, dim=-1)  # (T, B, D)
    return tuple(
        part.unflatten(-1, (num_heads, -1)).permute(1, 2, 0, 3)
        for part in (q, k)
    )


@torch.no_grad()
def attention_by_layer(
    backbone: torch.nn.Module,
    image: Tensor,
    rows: Sequence[int] | None = None,
) -> list[LayerAttention]:
    """Attention in every layer of the pass that makes dense features.

    The last layer is the one that the backbone's affinity makes of it: a
    decoupled one relates queries with queries, and so on; of ``csa`` the mean
    of both maps is returned. A layer without attention (``maskclip``) is
    missing from the end of the list.

    Args:
        backbone: A :class:`~declip_mm.models.DeCLIPViT`; put into eval mode
            by the caller.
        image: (B, 3, H, W), normalised.
        rows: Indices of the tokens that look, prefix included; None is all.

    Returns:
        One entry a layer, on the CPU.

    Raises:
        RuntimeError: The tower computes its attention in another way.
    """
    index = None
    if rows is not None:
        index = torch.as_tensor(rows, device=image.device)
    with _Watch(index) as watch:
        grid = tuple(backbone.forward_dense(image).content.shape[-2:])
    if not watch.layers:
        raise RuntimeError(
            f'{type(backbone.visual).__name__} called none of '
            'scaled_dot_product_attention and multi_head_attention_forward, '
            'so its attention cannot be read. With timm, leave '
            'TIMM_FUSED_ATTN on.'
        )
    tokens = watch.layers[0][0].shape[-1]
    prefix = tokens - grid[0] * grid[1]
    return [
        LayerAttention(torch.stack(maps).mean(dim=0), prefix, grid)
        for maps in watch.layers
    ]


def evenly(depth: int) -> list[int]:
    """At most six of the layers 1 to depth, first and last included."""
    return torch.linspace(1, depth, min(depth, 6)).round().int().tolist()
