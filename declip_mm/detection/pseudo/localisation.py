"""Heads that score a box by how well it fits an object.

Object localization network (OLN): Kim, Lin, Angelova, Kweon and Kuo,
"Learning open-world object proposals without learning to classify", RA-L 2022.
"""

from typing import Any

import torch
import torch.nn as nn
from mmdet.models import Shared2FCBBoxHead, StandardRoIHead
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox2roi, bbox_overlaps, scale_boxes
from mmengine.structures import InstanceData
from torch import Tensor
from torchvision.ops import nms

from ..rpn_head import FViTRPNHead

__all__ = [
    'LocalisationBBoxHead',
    'LocalisationRPNHead',
    'LocalisationRoIHead',
    'centreness',
]


def centreness(anchors: Tensor, boxes: Tensor) -> Tensor:
    """How central an anchor's centre is in its box (FCOS, ICCV 2019).

    Args:
        anchors, boxes: (N, 4) x0 y0 x1 y1.

    Returns:
        (N,) in [0, 1]; 0 outside the box.
    """
    centre = (anchors[:, :2] + anchors[:, 2:]) / 2
    low, high = centre - boxes[:, :2], boxes[:, 2:] - centre
    ratio = torch.minimum(low, high) / torch.maximum(low, high).clamp(min=1e-6)
    return ratio.clamp(min=0).prod(dim=1).sqrt()


@MODELS.register_module()
class LocalisationRPNHead(FViTRPNHead):
    """An RPN whose score is the centreness of an anchor on an object.

    Anchors off the objects are no targets at all. Boxes learn by a loss on
    decoded boxes (``reg_decoded_bbox=True``, an IoU loss).

    Args:
        Others: Of :class:`~declip_mm.detection.FViTRPNHead`. ``loss_cls`` is
            a binary cross entropy with the centreness.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs['reg_decoded_bbox'] = True
        super().__init__(*args, **kwargs)

    def loss_by_feat_single(
        self,
        cls_score: Tensor,
        bbox_pred: Tensor,
        anchors: Tensor,
        labels: Tensor,
        label_weights: Tensor,
        bbox_targets: Tensor,
        bbox_weights: Tensor,
        avg_factor: int,
    ) -> tuple[Tensor, Tensor]:
        """Losses of a level; see :class:`mmdet.models.AnchorHead`."""
        positive = (labels == 0).flatten()
        scores = cls_score.permute(0, 2, 3, 1).reshape(-1)[positive]
        deltas = bbox_pred.permute(0, 2, 3, 1).reshape(-1, 4)[positive]
        if not len(scores):  # keep the graph, for DDP
            return cls_score.sum() * 0, bbox_pred.sum() * 0
        anchors = anchors.reshape(-1, 4)[positive]
        targets = bbox_targets.reshape(-1, 4)[positive]
        fit = centreness(anchors, targets)
        return (
            self.loss_cls(
                scores[:, None], fit[:, None], avg_factor=avg_factor
            ),
            self.loss_bbox(
                self.bbox_coder.decode(anchors, deltas),
                targets,
                avg_factor=avg_factor,
            ),
        )


@MODELS.register_module()
class LocalisationBBoxHead(Shared2FCBBoxHead):
    """A box head whose score is the IoU of a region with its object.

    Args:
        Others: Of :class:`mmdet.models.Shared2FCBBoxHead`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.update(num_classes=1, reg_class_agnostic=True)
        super().__init__(*args, **kwargs)
        self.fc_cls = nn.Linear(self.fc_cls.in_features, 1)

    def loss(
        self,
        cls_score: Tensor,
        bbox_pred: Tensor,
        rois: Tensor,
        labels: Tensor,
        label_weights: Tensor,
        bbox_targets: Tensor,
        bbox_weights: Tensor,
        reduction_override: str | None = None,
    ) -> dict[str, Tensor]:
        """Losses of the regions on objects; the others are none."""
        on_object = labels == 0
        if not on_object.any():
            return dict(
                loss_iou=cls_score.sum() * 0, loss_bbox=bbox_pred.sum() * 0
            )
        coder, regions = self.bbox_coder, rois[on_object, 1:]
        truth = coder.decode(regions, bbox_targets[on_object])
        fit = bbox_overlaps(regions, truth, is_aligned=True)
        score = cls_score[on_object, 0].sigmoid()
        return dict(
            loss_iou=(score - fit).abs().mean(),
            loss_bbox=self.loss_bbox(
                bbox_pred[on_object], bbox_targets[on_object]
            ),
        )


@MODELS.register_module()
class LocalisationRoIHead(StandardRoIHead):
    """Scores every proposal by the geometric mean of both stages' scores.

    ``test_cfg`` has ``nms`` (``iou_threshold``), ``score_thr`` and
    ``max_per_img``. Every label is 0.

    Args:
        Others: Of :class:`mmdet.models.StandardRoIHead`.
    """

    def predict_bbox(
        self,
        x: tuple[Tensor, ...],
        batch_img_metas: list[dict],
        rpn_results_list: list,
        rcnn_test_cfg: Any,
        rescale: bool = False,
    ) -> list:
        """Boxes of each image, best first; see mmdet's."""
        counts = [len(found) for found in rpn_results_list]
        rois = bbox2roi([found.bboxes for found in rpn_results_list])
        out = self._bbox_forward(x, rois)
        fit = out['cls_score'][:, 0].sigmoid().split(counts)
        deltas = out['bbox_pred'].split(counts)
        found = []
        for proposals, own, delta, meta in zip(
            rpn_results_list, fit, deltas, batch_img_metas
        ):
            boxes = self.bbox_head.bbox_coder.decode(
                proposals.bboxes, delta, max_shape=meta['img_shape']
            )
            scores = (proposals.scores * own).sqrt()
            kept = nms(boxes, scores, rcnn_test_cfg.nms.iou_threshold)
            kept = kept[scores[kept] >= rcnn_test_cfg.score_thr]
            kept = kept[: rcnn_test_cfg.max_per_img]
            boxes = boxes[kept]
            if rescale:
                boxes = scale_boxes(
                    boxes, [1 / s for s in meta['scale_factor']]
                )
            found.append(
                InstanceData(
                    bboxes=boxes,
                    scores=scores[kept],
                    labels=torch.zeros_like(kept),
                )
            )
        return found
