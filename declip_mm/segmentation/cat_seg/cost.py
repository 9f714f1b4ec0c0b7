"""Cost volume: cosines between cells and class texts, and its pruning.

B images, T classes, P prompts a class, C joint dimension, h w grid.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['PRUNED', 'cost_volume', 'fill_pruned', 'prune_classes']

#: Logit of a class that pruning left out of a crop.
PRUNED = -100.0


def cost_volume(content: Tensor, text: Tensor) -> Tensor:
    """Cosine of every cell with every prompt, no temperature.

    Args:
        content: (B, C, h, w), any norm.
        text: (T, P, C) for all images, or (B, T, P, C); any norm.

    Returns:
        (B, T, P, h, w)
    """
    image = F.normalize(content, dim=1)
    text = F.normalize(text, dim=-1)
    if text.ndim == 3:
        return torch.einsum('bchw,tpc->btphw', image, text)
    return torch.einsum('bchw,btpc->btphw', image, text)


def prune_classes(
    cost: Tensor, text: Tensor, limit: int
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Keep the classes whose best cosine anywhere in the image is highest.

    Args:
        cost: (B, T, P, h, w).
        text: (T, P, C) or (B, T, P, C).
        limit: Classes to keep per image; no pruning up to this number.

    Returns:
        (B, K, P, h, w) cost, (B, K, P, C) text, and (B, K) class indices in
        ascending order (None where nothing was pruned).
    """
    if text.ndim == 3:
        text = text.expand(len(cost), *text.shape)
    if cost.shape[1] <= limit:
        return cost, text, None
    best = cost.flatten(2).amax(dim=-1)  # (B, T)
    keep = best.topk(limit, dim=1).indices.sort(dim=1).values
    batch = torch.arange(len(cost), device=cost.device)[:, None]
    return cost[batch, keep], text[batch, keep], keep


def fill_pruned(
    logits: Tensor, keep: Tensor | None, num_classes: int
) -> Tensor:
    """Give the classes that were left out the logit :data:`PRUNED`.

    Args:
        logits: (B, K, H, W).
        keep: (B, K) from :func:`prune_classes`.
        num_classes: T.

    Returns:
        (B, T, H, W)
    """
    if keep is None:
        return logits
    batch, _, height, width = logits.shape
    full = logits.new_full((batch, num_classes, height, width), PRUNED)
    rows = torch.arange(batch, device=logits.device)[:, None]
    return full.index_put((rows, keep), logits)
