"""Denominators of a softmax between the points of a map of scores.

Q queries; r c points, H' W' pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .resizing import Pixels, Places

__all__ = ['log_sums']

#: How far the logarithm of a sum may be from linear between two points for a
#: parabola to describe it: the rest is some thousandths then.
_BENT = 0.02


def log_sums(scores: Tensor, pixels: Pixels, room: int) -> Tensor:
    """Logarithm of the sum of the queries' exponentials in every pixel.

    Exact at points and half-way between them; a parabola elsewhere, or exact
    in cells that no parabola describes.

    Args:
        scores: (Q, r, c).
        pixels: Of the map.
        room: Numbers that working space may have.

    Returns:
        (H', W').
    """
    nodes = _nodes(scores)
    rows = _parabola(nodes, pixels.rows)
    total = _parabola(rows.t(), pixels.columns).t()
    _sum_rough(scores, nodes, pixels, total, room)
    return total


def _parabola(nodes: Tensor, places: Places) -> Tensor:
    """(2n - 1, k) at points and half-way -> (places, k)."""
    share = places.share[:, None]
    at = 2 * places.low
    middle = 4 * share * (1 - share)
    first = (1 - share) * (1 - 2 * share)
    last = share * (2 * share - 1)
    found = nodes[at] * first
    found.addcmul_(nodes[at + 1], middle)
    return found.addcmul_(nodes[at + 2], last)


def _nodes(scores: Tensor) -> Tensor:
    """Logarithms of sums of exponentials, at points and half-way.

    Args:
        scores: (Q, r, c).

    Returns:
        (2r - 1, 2c - 1).
    """
    _, down, across = scores.shape
    nodes = scores.new_empty(2 * down - 1, 2 * across - 1)
    nodes[::2, ::2] = scores.logsumexp(dim=0)
    nodes[::2, 1::2] = _log_sum(_half_way(scores, 2))
    between = _half_way(scores, 1)
    nodes[1::2, 1::2] = _log_sum(_half_way(between, 2))
    nodes[1::2, ::2] = _log_sum(between)
    return nodes


def _half_way(scores: Tensor, dim: int) -> Tensor:
    length = scores.shape[dim] - 1
    return torch.lerp(
        scores.narrow(dim, 0, length), scores.narrow(dim, 1, length), 0.5
    )


def _log_sum(scores: Tensor) -> Tensor:
    """(Q, r, c) -> (r, c), the argument overwritten."""
    top = scores.amax(dim=0)
    return scores.sub_(top).exp_().sum(dim=0).log_().add_(top)


def _sum_rough(
    scores: Tensor, nodes: Tensor, pixels: Pixels, total: Tensor, room: int
) -> None:
    """Sum over all queries in cells that no parabola describes.

    Args:
        scores: (Q, r, c).
        nodes: Of :func:`_nodes`.
        pixels: Of the tile.
        total: (H', W') logarithms of the sums, corrected.
        room: Numbers that working space may have.
    """
    flat = nodes.clone()
    flat[::2, 1::2] = _half_way(flat[::2, ::2], 1)
    flat[1::2] = _half_way(flat[::2], 0)
    bent = F.max_pool2d((flat - nodes)[None], 3, stride=2)[0]
    rough = pixels.of_cells(bent > _BENT).nonzero()
    for some in rough.split(max(1, room // (2 * len(scores)))):
        y, x = some.unbind(1)
        row, down = (part[y] for part in pixels.rows)
        column, across = (part[x] for part in pixels.columns)
        left, right = (
            torch.lerp(scores[:, row, at], scores[:, row + 1, at], down)
            for at in (column, column + 1)
        )
        total[y, x] = _log_sum(torch.lerp(left, right, across))
