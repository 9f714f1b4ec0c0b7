"""Recall of objects by boxes of any class, base and novel apart."""

from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.registry import METRICS
from mmdet.structures.bbox import bbox_overlaps
from mmengine.evaluator import BaseMetric
from torchvision.ops import nms

from .truth import ids_of_classes, read_truth

__all__ = ['ObjectRecall']

#: Boxes that overlap so much are one: a query that has several names.
_SAME = 0.95


@METRICS.register_module()
class ObjectRecall(BaseMetric):
    """Share of objects that one of the best boxes of their image fits.

    Labels of boxes do not count. The figures, in per cent, are
    ``objects/base_recall_10`` and so on; a group without objects has none.

    Args:
        ann_file: COCO json with the classes of the data set.
        top: How many boxes of an image.
        iou_thr: From which IoU on a box fits.
        min_score: Boxes below do not count.
        Others: Of :class:`mmengine.evaluator.BaseMetric`.
    """

    default_prefix = 'objects'

    def __init__(
        self,
        ann_file: str,
        top: Sequence[int] = (10, 100),
        iou_thr: float = 0.5,
        min_score: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.ann_file, self.top = ann_file, sorted(top)
        if not self.top or self.top[0] < 1:
            raise ValueError(f'top={top}: allowed are numbers from 1.')
        self.iou_thr, self.min_score = iou_thr, min_score
        self.content = read_truth(ann_file)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the best boxes of each image, (n, 4) in its pixels."""
        for sample in data_samples:
            found = sample['pred_instances']
            boxes, scores = found['bboxes'].cpu(), found['scores'].cpu()
            good = scores >= self.min_score
            boxes, scores = boxes[good].float(), scores[good].float()
            best = nms(boxes, scores, _SAME)[: self.top[-1]]
            self.results.append((sample['img_id'], boxes[best].numpy()))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Recall of each group by each number of boxes."""
        groups = self._groups()
        truth = defaultdict(list)
        for note in self.content['annotations']:
            group = groups.get(note['category_id'])
            if group and not note['iscrowd']:
                truth[note['image_id']].append((group, note['bbox']))
        hits: dict[str, list[list[bool]]] = defaultdict(list)
        for image, boxes in results:
            for group, (x, y, w, h) in truth[image]:
                own = torch.tensor([[x, y, x + w, y + h]])
                fits = bbox_overlaps(torch.from_numpy(boxes), own)[:, 0]
                fits = fits >= self.iou_thr
                hits[group].append([bool(fits[:k].any()) for k in self.top])
        figures = OrderedDict()
        for group in ('base', 'novel'):
            for place, count in enumerate(self.top):
                if hits[group]:
                    share = sum(h[place] for h in hits[group])
                    figures[f'{group}_recall_{count}'] = (
                        100 * share / len(hits[group])
                    )
        return figures

    def _groups(self) -> dict[Any, str]:
        """Category id -> base or novel."""
        meta = self.dataset_meta
        found = {}
        for group in ('base', 'novel'):
            names = meta.get(f'{group}_classes', ())
            for i in ids_of_classes(self.content, names, self.ann_file):
                found[i] = group
        return found
