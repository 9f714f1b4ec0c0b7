"""Which query has to find which object.

B pictures, N queries, n objects of a picture.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor

from .boxes import overlap
from .targets import Targets

__all__ = ['ConditionalMatcher', 'Matches']

#: More than any pair costs that is allowed.
_DISALLOWED = 99.0


class Matches(NamedTuple):
    """M pairs of query and object, of all pictures.

    Attributes:
        image: (M,) position of the picture.
        query: (M,) position of the query in it.
        object: (M,) position of the object in its picture.
        targets: The M objects.
    """

    image: Tensor
    query: Tensor
    object: Tensor
    targets: Targets


@TASK_UTILS.register_module()
class ConditionalMatcher:
    """Hungarian matching, of which only some pairs may come.

    The cost of a pair is ``w_cls focal + w_bbox L1 - w_iou GIoU``, the focal
    cost on the one logit that a query has. If queries are tied to classes, a
    pair needs the same class, and an object is left out unless a query that
    may take it overlaps it (GIoU above 0). OV-DQUO (Wang et al., AAAI 2025).

    Args:
        cls_weight, bbox_weight, iou_weight: Of the parts.
        alpha, gamma: Of the focal cost.
    """

    def __init__(
        self,
        cls_weight: float = 2.0,
        bbox_weight: float = 5.0,
        iou_weight: float = 2.0,
        alpha: float = 0.25,
        gamma: float = 2.0,
    ) -> None:
        self.cls_weight, self.bbox_weight = cls_weight, bbox_weight
        self.iou_weight = iou_weight
        self.alpha, self.gamma = alpha, gamma

    def cost(
        self,
        logits: Tensor,
        boxes: Tensor,
        targets: Targets,
        query_classes: Tensor | None = None,
        wildcard: int = 0,
    ) -> Tensor:
        """What each pair of one picture costs.

        Args:
            logits: (N,) of being what the query looks for.
            boxes: (N, 4), cx cy w h in fractions of the picture.
            targets: n objects.
            query_classes: (N,); None: every pair is allowed.
            wildcard: Class of pseudo objects.

        Returns:
            (N, n), 99 for what is not allowed.
        """
        conditional = query_classes is not None
        _, giou = overlap(boxes[:, None], targets.boxes[None])
        distance = (boxes[:, None] - targets.boxes[None]).abs().sum(-1)
        cost = (
            self.cls_weight
            # the authors' two matchers differ in it
            * self._focal_cost(logits, 1e-7 if conditional else 1e-8)[:, None]
            + self.bbox_weight * distance
            - self.iou_weight * giou
        )
        if not conditional:
            return cost
        allowed = query_classes[:, None] == targets.classes(wildcard)[None]
        usable = (allowed & (giou > 0)).any(0)
        return cost.masked_fill(~(allowed & usable), _DISALLOWED)

    def _focal_cost(self, logits: Tensor, eps: float) -> Tensor:
        p = logits.sigmoid()
        found = self.alpha * (1 - p) ** self.gamma * -(p + eps).log()
        missed = (1 - self.alpha) * p**self.gamma * -(1 - p + eps).log()
        return found - missed

    @torch.no_grad()
    def match(
        self,
        logits: Tensor,
        boxes: Tensor,
        targets: Sequence[Targets],
        query_classes: Tensor | None = None,
        wildcard: int = 0,
    ) -> Matches:
        """Match the queries of a batch.

        Args:
            logits: (B, N).
            boxes: (B, N, 4).
            targets: Objects of each picture.
            query_classes: (B, N); None: every pair is allowed.
            wildcard: Class of pseudo objects.
        """
        from scipy.optimize import linear_sum_assignment  # mmdet's choice

        image, query, chosen = [], [], []
        for index, objects in enumerate(targets):
            cost = self.cost(
                logits[index].float(),
                boxes[index].float(),
                objects,
                None if query_classes is None else query_classes[index],
                wildcard,
            )
            cost = cost.cpu()
            rows, columns = map(torch.as_tensor, linear_sum_assignment(cost))
            if query_classes is not None:
                real = cost[rows, columns] < _DISALLOWED
                rows, columns = rows[real], columns[real]
            image.append(torch.full_like(rows, index))
            query.append(rows)
            chosen.append(columns)
        device = logits.device
        taken = [t.only(c.to(device)) for t, c in zip(targets, chosen)]
        return Matches(
            torch.cat(image).to(device),
            torch.cat(query).to(device),
            torch.cat(chosen).to(device),
            Targets(*map(torch.cat, zip(*taken))),
        )
