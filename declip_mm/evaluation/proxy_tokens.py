"""How much attention leaves an object for a few proxy tokens.

The paper shows (section 3, figure 3) that in CLIP's deep layers the patches of
an object attend to the same few tokens of the background instead of to each
other. These functions give that a number.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['ProxyShares', 'patch_objects', 'proxy_shares']


class ProxyShares(NamedTuple):
    """Of one picture and layer, a value for each patch that looks.

    Attributes:
        proxy: (Q,) share of its attention that goes to the proxy tokens.
        own: (Q,) share on the other patches of its own object.
        itself: (Q,) share on the patch itself.
        proxy_even, own_even: (Q,) what the first two were if attention were
            even.
    """

    proxy: Tensor
    own: Tensor
    itself: Tensor
    proxy_even: Tensor
    own_even: Tensor


def patch_objects(
    masks: Tensor, grid: tuple[int, int], least: float = 0.5
) -> Tensor:
    """Which object each patch shows.

    Args:
        masks: (n, H, W) bool, disjoint, over the whole view.
        grid: (h, w) of the patches.
        least: Share of its area that an object must cover.

    Returns:
        (h * w,) int64: index of the object that covers most of the patch, -1
        where none covers enough (background, padding, borders).
    """
    if not len(masks):
        return torch.full((grid[0] * grid[1],), -1)
    cover = F.adaptive_avg_pool2d(masks.float()[None], grid)[0]  # (n, h, w)
    share, best = cover.flatten(1).max(dim=0)
    return torch.where(share >= least, best, -1)


def proxy_shares(
    attention: Tensor, objects: Tensor, k: int = 5
) -> ProxyShares:
    """Share of attention mass on the k most attended tokens outside.

    *Who looks*: patches of an object (``objects >= 0``). Patches of the
    background do not: the background is no object, so nothing tells which of
    its other patches a patch of it should attend to.

    *What is looked at*: all patches, the background's included, for there the
    paper finds the proxies. CLS and other prefix tokens are left out, and each
    row is divided by what remains: CLS gathers attention by design, and a
    share of it would hide what the patches do among themselves.

    *Which k*: the tokens of a picture are ranked by the mean attention that
    they get from the patches of all objects but their own; a patch's proxies
    are the first k of this ranking that are not of its own object. The
    ranking is common to the picture because a proxy is a token that many
    patches share. Choosing anew for each patch would call any scattered
    attention a proxy. Ties are broken by position; under even attention the
    share is k / N.

    Args:
        attention: (N, N) weights of patches on patches, mean over heads; rows
            need not sum to one.
        objects: (N,) int64, object of each patch, -1 for none.
        k: Number of proxies, 1 or more.

    Returns:
        Values for the Q patches with an object; empty if there is none.

    Raises:
        ValueError: Shapes that do not fit, or k below 1.
    """
    count = len(objects)
    if attention.shape != (count, count) or k < 1:
        raise ValueError(
            f'attention of {count} patches on themselves and k of 1 or more '
            f'are needed, got shape {tuple(attention.shape)} and k={k}.'
        )
    looks = objects >= 0
    rows = attention[looks].double()
    rows = rows / rows.sum(dim=1, keepdim=True)  # (Q, N)
    own = objects[looks][:, None] == objects[None]
    outside = ~own
    received = (rows * outside).sum(0) / outside.sum(0).clamp(min=1)
    order = received.argsort(descending=True, stable=True)
    ranked = outside[:, order]
    chosen = ranked & (ranked.cumsum(dim=1) <= k)
    itself = torch.eye(count, dtype=torch.bool)[looks]
    return ProxyShares(
        proxy=(rows[:, order] * chosen).sum(dim=1),
        own=(rows * (own & ~itself)).sum(dim=1),
        itself=rows[itself],
        proxy_even=chosen.sum(dim=1) / count,
        own_even=(own & ~itself).sum(dim=1) / count,
    )
