"""From the logits of all views to one class map, in bounded memory.

V views, Q queries (texts), T classes.
"""

from collections.abc import Callable, Iterator

from torch import Tensor

from ...models.zero_shot.arg_max import best_of_chunks, best_of_class
from ...models.zero_shot.resizing import resize
from .cost import PRUNED

__all__ = ['class_map', 'class_probabilities']

#: Numbers that a strip of probabilities may have: 64 MiB in float32.
_STRIP = 2**24

Join = Callable[[Tensor], Tensor]


def _chunks(
    logits: Tensor, join: Join, size: int
) -> Iterator[tuple[int, Tensor]]:
    """First query and joined probabilities (q, h, w) of each chunk."""
    for first in range(0, logits.shape[1], size):
        part = logits[:, first : first + size]
        # Classes that every view pruned are zero: nothing to compute.
        if bool((part > PRUNED).any()):
            yield first, join(part.float())


def class_map(
    logits: Tensor,
    join: Join,
    size: tuple[int, int],
    owner: Tensor,
    class_chunk: int = 32,
) -> tuple[Tensor, Tensor]:
    """Most probable class of every pixel.

    Probabilities of all classes at full size (1.1 GB for A-847, 38 GB for a
    photograph of 12 megapixels) never exist: a chunk of classes and a strip
    of rows at a time are compared with the best so far.

    Args:
        logits: (V, Q, h, w) of one picture.
        join: Turns (V, q, h, w) logits into (q, H', W') probabilities.
        size: Wanted (H, W).
        owner: (Q,) class index of each query; a class has the probability of
            its best query.
        class_chunk: Queries at a time.

    Returns:
        (H, W) class indices and (H, W) probabilities of these classes. Ties
        go to the earlier query.
    """
    chunks = _chunks(logits, join, class_chunk)
    best = best_of_chunks(chunks, size, logits.device, _STRIP)
    # where every class was pruned, none is probable
    return owner.to(logits.device)[best.index], best.score.clamp(min=0)


def class_probabilities(
    logits: Tensor,
    join: Join,
    size: tuple[int, int],
    owner: Tensor,
    num_classes: int,
) -> Tensor:
    """(T, H, W) probabilities of all classes, for those who ask.

    Args:
        logits: (V, Q, h, w) of one picture.
        join: As in :func:`class_map`.
        size: Wanted (H, W).
        owner: (Q,) class index of each query.
        num_classes: T.
    """
    probs = resize(join(logits.float()), size)
    return best_of_class(probs, owner, num_classes)
