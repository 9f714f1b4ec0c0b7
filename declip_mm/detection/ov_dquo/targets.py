"""Objects of a picture, annotated ones and pseudo-labelled ones."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from mmdet.structures.bbox import bbox_xyxy_to_cxcywh
from torch import Tensor

__all__ = ['PSEUDO_LABEL', 'Targets', 'read_targets']

#: The label of a pseudo object, whose class nobody knows.
PSEUDO_LABEL = -1


class Targets(NamedTuple):
    """n objects of one picture.

    Attributes:
        boxes: (n, 4), cx cy w h in fractions of the picture.
        labels: (n,) positions in a list of classes, or
            :data:`PSEUDO_LABEL`.
        weights: (n,) how sure it is that this is an object, in (0, 1]; 1 for
            an annotated one.
    """

    boxes: Tensor
    labels: Tensor
    weights: Tensor

    @property
    def pseudo(self) -> Tensor:
        """(n,) bool."""
        return self.labels == PSEUDO_LABEL

    def classes(self, wildcard: int) -> Tensor:
        """(n,) labels, pseudo objects being of class ``wildcard``."""
        return self.labels.masked_fill(self.pseudo, wildcard)

    def only(self, kept: Tensor | slice) -> 'Targets':
        """Some of the objects."""
        return Targets(*(part[kept] for part in self))


def read_targets(samples: Sequence[Any]) -> list[Targets]:
    """Objects of mmdet's samples.

    ``gt_instances`` has ``bboxes``, ``labels`` and, where some objects are
    pseudo-labelled, ``fg_weights``.

    Args:
        samples: B samples; boxes in pixels, x0 y0 x1 y1.
    """
    found = []
    for sample in samples:
        objects = sample.gt_instances
        height, width = sample.img_shape[:2]
        boxes = getattr(objects.bboxes, 'tensor', objects.bboxes).float()
        size = boxes.new_tensor([width, height, width, height])
        weights = objects.get('fg_weights')
        if weights is None:
            weights = torch.ones_like(boxes[:, 0])
        found.append(
            Targets(
                bbox_xyxy_to_cxcywh(boxes / size),
                objects.labels.long(),
                weights.float(),
            )
        )
    return found
