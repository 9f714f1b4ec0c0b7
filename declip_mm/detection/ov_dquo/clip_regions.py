"""What CLIP says of boxes.

B pictures, N boxes, K classes, C joint dimension.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from torch import Tensor

from ...models.regions import box_features
from ..fusion import unit

__all__ = ['ClipRegions', 'class_probabilities']


class ClipRegions(NamedTuple):
    """The pictures of a batch, as CLIP's dense map has them.

    Attributes:
        vlm_map: (B, C, h, w), of unit length at every location.
        covered: Cells (width, height) that each picture covers; the rest is
            padding.
    """

    vlm_map: Tensor
    covered: list[tuple[int, int]]

    @classmethod
    def of(cls, vlm_map: Tensor, samples: Sequence[Any]) -> 'ClipRegions':
        """With the sizes of mmdet's samples.

        As many cells are covered as are no padding where the mask is resized
        to the map by its nearest neighbours.
        """
        h, w = vlm_map.shape[-2:]
        covered = []
        for sample in samples:
            height, width = sample.img_shape[:2]
            high, wide = sample.batch_input_shape
            covered.append((-(-width * w // wide), -(-height * h // high)))
        return cls(vlm_map, covered)

    def features(self, boxes: Tensor) -> Tensor:
        """Unit features in boxes.

        Args:
            boxes: (B, N, 4), cx cy w h in fractions of the picture.

        Returns:
            (B, N, C) float32.
        """
        corners = bbox_cxcywh_to_xyxy(boxes.float())
        with torch.autocast(boxes.device.type, enabled=False):
            found = box_features(self.vlm_map, corners.unbind(), self.covered)
        return unit(found).view(*boxes.shape[:2], -1)

    def probabilities(
        self, boxes: Tensor, text: Tensor, tau: float, no_class: float
    ) -> Tensor:
        """(B, N, K), see :func:`class_probabilities`."""
        return class_probabilities(self.features(boxes), text, tau, no_class)


def class_probabilities(
    features: Tensor, text: Tensor, tau: float, no_class: float
) -> Tensor:
    """Softmax over the classes and one more, which is then dropped.

    Args:
        features: (..., C) unit vectors.
        text: (K, C) unit rows.
        tau: Temperature, multiplies cosines.
        no_class: Cosine of the column that is dropped.

    Returns:
        (..., K) float32.
    """
    with torch.autocast(features.device.type, enabled=False):
        cosines = features.float() @ text.float().t()
    logits = tau * F.pad(cosines, (0, 1), value=no_class)
    return logits.softmax(-1)[..., :-1]
