"""Which text each query looks for, decided before the decoder.

B pictures, N queries, K classes; class K is the wildcard. CORA (Wu et al.,
CVPR 2023) calls this anchor pre-matching.
"""

from collections.abc import Sequence

from torch import Tensor

from .boxes import overlap
from .targets import Targets

__all__ = ['most_likely', 'tie_to_pseudo_objects']


def most_likely(probabilities: Tensor, factor: Tensor | float = 1.0) -> Tensor:
    """Class of each query.

    Args:
        probabilities: (B, N, K) by CLIP.
        factor: (K,) by which each class's are multiplied first.

    Returns:
        (B, N), 0 to K - 1.
    """
    return (probabilities * factor).argmax(-1)


def tie_to_pseudo_objects(
    classes: Tensor,
    boxes: Tensor,
    targets: Sequence[Targets],
    wildcard: int,
    threshold: float = 0.5,
) -> Tensor:
    """The wildcard for queries that lie on a pseudo object.

    Args:
        classes: (B, N).
        boxes: (B, N, 4), cx cy w h in fractions of the picture.
        targets: Objects of each picture.
        wildcard: K.
        threshold: IoU above which a query lies on it.

    Returns:
        (B, N), 0 to K.
    """
    found = classes.clone()
    for own, places, objects in zip(found, boxes, targets):
        pseudo = objects.boxes[objects.pseudo]
        iou, _ = overlap(places[:, None], pseudo[None])
        own[(iou > threshold).any(1)] = wildcard
    return found
