"""From boxes and their scores to detections.

N queries, K classes.
"""

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from mmdet.models.layers import inverse_sigmoid, multiclass_nms
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.structures import InstanceData
from torch import Tensor

__all__ = ['detections', 'final_scores']


def final_scores(
    probabilities: Tensor,
    logits: Tensor,
    objectness_power: float = 1.0,
    round_trip_eps: float | None = None,
) -> Tensor:
    """CLIP's probability of each class times how good the box is.

    Args:
        probabilities: (..., N, K) of CLIP.
        logits: (..., N) of the detector.
        objectness_power: Exponent of the detector's part.
        round_trip_eps: The authors turn scores into logits and back, which
            presses them below 1 - eps; None leaves them.

    Returns:
        (..., N, K) in [0, 1].
    """
    objectness = logits.float().sigmoid() ** objectness_power
    scores = probabilities * objectness[..., None]
    if round_trip_eps is not None:
        scores = inverse_sigmoid(scores, eps=round_trip_eps).sigmoid()
    return scores


def detections(
    boxes: Tensor,
    scores: Tensor,
    size: tuple[int, int],
    test_cfg: Mapping[str, Any],
) -> InstanceData:
    """The best boxes of one picture; a query may give several classes.

    Args:
        boxes: (N, 4), cx cy w h in fractions of the picture.
        scores: (N, K).
        size: Height and width of the picture that boxes are given in.
        test_cfg: ``score_thr``, ``nms``, ``max_per_img`` and ``clip``,
            whether boxes end with the picture (the authors' do not).

    Returns:
        ``bboxes`` (x0 y0 x1 y1), ``scores`` and ``labels``, best first.
    """
    # in fractions: the offsets that keep classes apart are made for boxes
    # that begin near 0
    kept, labels = multiclass_nms(
        bbox_cxcywh_to_xyxy(boxes),
        F.pad(scores, (0, 1)),
        test_cfg['score_thr'],
        test_cfg['nms'],
        test_cfg['max_per_img'],
    )
    found, height_width = kept[:, :4], size[:2]
    if test_cfg.get('clip', True):
        found = found.clamp(0, 1)
    scale = boxes.new_tensor([*height_width[::-1]] * 2)
    return InstanceData(bboxes=found * scale, scores=kept[:, 4], labels=labels)
