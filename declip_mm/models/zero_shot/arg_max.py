"""The best of many classes in every pixel, in bounded memory.

Q queries (texts), T classes; H W size of the result.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from .cells import best_by_cells, choose_grid
from .resizing import resize, resize_rows
from .windows import ImageFeatures

__all__ = [
    'BestQuery',
    'best_by_pixels',
    'best_of_chunks',
    'best_of_class',
    'best_query',
    'labels_of',
    'query_probabilities',
]

#: How many tensors of the size of a chunk exist at once, at most.
_COPIES = 6
#: Rows of a class map at a time.
_ROWS = 64


@dataclass(frozen=True)
class BestQuery:
    """Per pixel the query that wins, and how sure that is.

    Attributes:
        index: (H, W) int32; 64 bits would be 740 MB for 92 megapixels.
        score: (H, W) float32: its softmax probability among all queries
            where that was asked for, else its score.
    """

    index: Tensor
    score: Tensor


def best_query(
    features: ImageFeatures,
    texts: Tensor,
    size: tuple[int, int],
    scale: float,
    probability: bool = True,
    memory: int = 256,
) -> BestQuery:
    """Arg-max over all queries at the full size of a picture.

    The scores of all queries at full size (48 GB for 1000 names and a
    photograph of 12 megapixels) never exist. Where the picture has many
    pixels for each point between which scores are linear, all queries are
    compared at these points and few at pixels
    (:func:`~.cells.best_by_cells`), else all of them at pixels
    (:func:`best_by_pixels`).

    Args:
        features: Of the picture.
        texts: (Q, C) unit rows.
        size: Wanted (H, W).
        scale: Factor before the softmax.
        probability: Whether softmax probabilities are wanted, which cost
            more than the index; else cosines times ``scale``.
        memory: MiB of working space for scores; decides the chunks, not the
            result.
    """
    asked = features, texts, size, scale, probability, memory
    grid = choose_grid(features, size, probability)
    if grid is None:
        return best_by_pixels(*asked)
    return BestQuery(*best_by_cells(*asked, grid))


def best_by_pixels(
    features: ImageFeatures,
    texts: Tensor,
    size: tuple[int, int],
    scale: float,
    probability: bool = True,
    memory: int = 256,
) -> BestQuery:
    """:func:`best_query` with every query compared at every pixel.

    Some queries and some rows at a time are compared with the best so far,
    and their exponentials are added to the denominator of the softmax.

    Args:
        features, texts, size, scale, probability, memory: As there.
    """
    room = memory * 2**20 // (4 * _COPIES)
    area = max(features.size[0] * features.size[1], size[1])
    chunk = min(max(1, room // area), len(texts))
    chunks = (
        (first, features.scores(texts[first : first + chunk]).mul_(scale))
        for first in range(0, len(texts), chunk)
    )
    return best_of_chunks(chunks, size, texts.device, room, probability)


def best_of_chunks(
    chunks: Iterable[tuple[int, Tensor]],
    size: tuple[int, int],
    device: torch.device,
    room: int,
    softmax: bool = False,
) -> BestQuery:
    """Compare chunks of scores with the best so far, a strip at a time.

    The one loop behind every class map. Ties go to the earlier query.

    Args:
        chunks: First query, and float32 scores (q, h, w) of q queries.
        size: Wanted (H, W); scores are resized to it.
        device: Of the result.
        room: Numbers that a strip may have.
        softmax: Whether the result has softmax probabilities over all
            queries of all chunks; else scores, -inf where there is no chunk.
    """
    best = torch.full(size, -torch.inf, device=device)
    index = torch.zeros(size, dtype=torch.int32, device=device)
    total = torch.zeros_like(best) if softmax else None
    for first, scores in chunks:
        rows = min(max(1, room // (len(scores) * size[1])), size[0])
        for top, strip in resize_rows(scores, size, rows):
            window = slice(top, top + strip.shape[1])
            value, found = strip.max(dim=0)
            higher = torch.maximum(value, best[window])
            if total is not None:
                total[window] *= (best[window] - higher).exp_()
                total[window] += strip.sub_(higher).exp_().sum(dim=0)
            better = value > best[window]
            index[window][better] = (found[better] + first).int()
            best[window] = higher
    score = best if total is None else total.reciprocal_()
    return BestQuery(index, score)


def labels_of(
    best: BestQuery, owner: Tensor, threshold: float = 0.0, below: int = -1
) -> Tensor:
    """The class of the best query in every pixel; takes the place of it.

    Args:
        best: Of :func:`best_query`; its index is overwritten.
        owner: (Q,) class index of each query.
        threshold: Score below which a pixel gets ``below`` instead.
        below: Label of such pixels.

    Returns:
        (H, W) int32.
    """
    labels = best.index
    for top in range(0, len(labels), _ROWS):  # looked up in 64 bits
        rows = slice(top, top + _ROWS)
        labels[rows] = owner[labels[rows].long()].int()
        if threshold > 0:
            labels[rows].masked_fill_(best.score[rows] < threshold, below)
    return labels


def query_probabilities(
    features: ImageFeatures,
    texts: Tensor,
    size: tuple[int, int],
    scale: float,
) -> Tensor:
    """(Q, H, W) softmax over all queries, for those who ask for them all."""
    return (scale * resize(features.scores(texts), size)).softmax(dim=0)


def best_of_class(scores: Tensor, owner: Tensor, num_classes: int) -> Tensor:
    """(..., Q, H, W) -> (..., T, H, W), the best query of each class.

    Args:
        scores: Of all queries.
        owner: (Q,) class index of each; every class has one at least.
        num_classes: T.
    """
    index = owner.to(scores.device)[:, None, None].expand_as(scores)
    shape = (*scores.shape[:-3], num_classes, *scores.shape[-2:])
    return scores.new_zeros(shape).scatter_reduce(
        -3, index, scores, 'amax', include_self=False
    )
