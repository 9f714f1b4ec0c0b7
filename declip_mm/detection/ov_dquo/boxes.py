"""How OV-DQUO compares boxes: centre and size, fractions of the picture."""

import torch
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from torch import Tensor

__all__ = ['overlap']

#: Added to denominators, as the authors do: the IoU of a perfect box of 8 px
#: in a picture of 1024 is 0.984.
_ADDED = 1e-6


def overlap(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU (Rezatofighi et al., CVPR 2019).

    Args:
        first: (..., 4), cx cy w h.
        second: (..., 4), of a shape that broadcasts.

    Returns:
        (...) each, float32.
    """
    a = bbox_cxcywh_to_xyxy(first.float())
    b = bbox_cxcywh_to_xyxy(second.float())
    inner = _area(
        torch.maximum(a[..., :2], b[..., :2]),
        torch.minimum(a[..., 2:], b[..., 2:]),
    )
    union = (
        _area(a[..., :2], a[..., 2:]) + _area(b[..., :2], b[..., 2:]) - inner
    )
    outer = _area(
        torch.minimum(a[..., :2], b[..., :2]),
        torch.maximum(a[..., 2:], b[..., 2:]),
    )
    iou = inner / (union + _ADDED)
    return iou, iou - (outer - union) / (outer + _ADDED)


def _area(low: Tensor, high: Tensor) -> Tensor:
    side = (high - low).clamp(min=0)
    return side[..., 0] * side[..., 1]
