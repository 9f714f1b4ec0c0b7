"""Which tokens of the encoder become queries.

B pictures, T tokens, N queries.
"""

from collections.abc import Callable

from torch import Tensor

__all__ = ['SELECTIONS', 'gather_boxes', 'select_tokens']

#: What tokens are chosen by.
SELECTIONS = ('objectness', 'objectness_x_clip')


def select_tokens(
    logits: Tensor,
    places: Tensor,
    count: int,
    preselect: int,
    likelihood: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """The best tokens, best first.

    Args:
        logits: (B, T) objectness.
        places: (B, T, 4) boxes before the sigmoid.
        count: N.
        preselect: So many are chosen by objectness first, if there is a
            likelihood.
        likelihood: From (B, n, 4) boxes to (B, n) how sure CLIP is of what
            is in them; multiplies objectness.

    Returns:
        (B, N) positions.

    Raises:
        ValueError: There are fewer tokens.
    """
    tokens = logits.shape[1]
    if tokens < count:
        raise ValueError(
            f'{count} queries are to be chosen of the {tokens} tokens of '
            'these pictures. Give larger pictures, or a smaller num_queries.'
        )
    if likelihood is None:
        return logits.topk(count, dim=1)[1]
    best, first = logits.topk(min(tokens, max(count, preselect)), dim=1)
    sure = likelihood(gather_boxes(places, first).sigmoid())
    second = (best.sigmoid() * sure).topk(count, dim=1)[1]
    return first.gather(1, second)


def gather_boxes(boxes: Tensor, index: Tensor) -> Tensor:
    """(B, T, 4) and (B, N) -> (B, N, 4)."""
    return boxes.gather(1, index[..., None].expand(-1, -1, 4))
