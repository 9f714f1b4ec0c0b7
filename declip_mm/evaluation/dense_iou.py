"""Intersection over union of class maps, without mmseg."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.registry import METRICS
from torch import Tensor

from .classes import (
    check_subsets,
    class_columns,
    dataset_classes,
    image_of,
)
from .table import text_table

__all__ = ['RULES', 'DenseIoUMetric', 'class_map_of', 'intersect_and_areas']

#: Over which classes a mean may go; see :class:`DenseIoUMetric`.
RULES = ('mmseg', 'detectron2', 'all')


def intersect_and_areas(
    pred: Tensor, target: Tensor, num_classes: int, ignore_index: int
) -> Tensor:
    """Pixels per class of one image.

    Args:
        pred: (H, W) class indices in [0, C).
        target: (H, W) class indices in [0, C) or ``ignore_index``.
        num_classes: C.
        ignore_index: Pixels with this target count nowhere.

    Returns:
        (3, C) int64: intersection, predicted area, target area.
    """
    valid = target != ignore_index
    pred, target = pred[valid], target[valid]
    return torch.stack(
        [
            torch.bincount(labels, minlength=num_classes)
            for labels in (pred[pred == target], pred, target)
        ]
    )


@METRICS.register_module()
class DenseIoUMetric(BaseMetric):
    """mIoU, mAcc and aAcc of class maps, in percent.

    Reads ``pred_sem_seg`` and ``gt_sem_seg`` (H, W) of every image and sums
    pixels over the data set before it divides, as mmseg does.

    Args:
        ignore_index: Target value of pixels that count nowhere.
        rule: Over which classes the means go. ``'mmseg'``: those that are
            in a target or predicted, so that a class that is only predicted
            has an IoU of 0. ``'detectron2'``: those that are in a target.
            ``'all'``: every class; what is nowhere has 0.
        exclude_classes: Class names that are left out of the main columns;
            pixels of theirs leave aAcc, too. Other classes that are predicted
            on such pixels, and such classes on other pixels, remain errors.
        subsets: Subset name s -> class names, reported as ``s_mIoU``,
            ``s_mAcc``, ``s_aAcc``.
        per_class: Log a table with a line per class.
        absent: What this was called before, read with a notice.
        collect_device, prefix, collect_dir: See mmengine's ``BaseMetric``.
    """

    default_prefix = 'seg'

    #: Old value of ``absent`` -> rule.
    _ABSENT: ClassVar[dict[str, str]] = dict(exclude='mmseg', zero='all')

    def __init__(
        self,
        ignore_index: int = 255,
        rule: str = 'mmseg',
        exclude_classes: Sequence[str] = (),
        subsets: Mapping[str, Sequence[str]] | None = None,
        per_class: bool = False,
        absent: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        if absent is not None:
            rule = self._renamed(absent)
        if rule not in RULES:
            raise ValueError(
                f'rule={rule!r} is unknown; allowed: {", ".join(RULES)}.'
            )
        self.ignore_index = ignore_index
        self.rule = rule
        self.exclude_classes = list(exclude_classes)
        self.subsets = check_subsets(subsets)
        self.per_class = per_class

    def _renamed(self, absent: str) -> str:
        """The rule that an old config means."""
        if absent not in self._ABSENT:
            raise ValueError(
                f'absent={absent!r} is unknown, and now called rule; allowed: '
                f'rule={", ".join(map(repr, RULES))}.'
            )
        rule = self._ABSENT[absent]
        print_log(
            f'{type(self).__name__}: absent={absent!r} is now called '
            f'rule={rule!r}.',
            logger='current',
            level=logging.WARNING,
        )
        return rule

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the pixels of each image; one (3, C) tensor an image."""
        classes = dataset_classes(self.dataset_meta, type(self).__name__)
        class_columns(classes, self.exclude_classes, self.subsets)
        if 0 <= self.ignore_index < len(classes):
            raise ValueError(
                f'ignore_index={self.ignore_index} is class '
                f'{classes[self.ignore_index]!r} of a data set with '
                f'{len(classes)} classes. Store its maps with more than 8 '
                'bits and ignore a value beyond the classes, or -1.'
            )
        for sample in data_samples:
            self.results.append(self._count(sample, len(classes)))

    def _count(self, sample: dict, num_classes: int) -> Tensor:
        pred = class_map_of(sample, 'pred_sem_seg')
        target = self._target(sample, pred, num_classes)
        self._check_labels(sample, 'pred_sem_seg', pred, num_classes)
        return intersect_and_areas(
            pred, target, num_classes, self.ignore_index
        ).cpu()

    def _target(self, sample: dict, pred: Tensor, num_classes: int) -> Tensor:
        """The true map (H, W), checked."""
        target = class_map_of(sample, 'gt_sem_seg')
        if pred.shape != target.shape:
            raise ValueError(
                f'{image_of(sample)}: predicted map is {tuple(pred.shape)}, '
                f'target is {tuple(target.shape)}. Predict at the original '
                'size of the image.'
            )
        valid = target[target != self.ignore_index]
        self._check_labels(sample, 'gt_sem_seg', valid, num_classes)
        return target

    def _check_labels(
        self, sample: dict, field: str, found: Tensor, num_classes: int
    ) -> None:
        wrong = found[(found < 0) | (found >= num_classes)].unique()
        if len(wrong):
            raise ValueError(
                f'{image_of(sample)}: {field} has labels '
                f'{wrong[:8].tolist()}, which are none of the '
                f'{num_classes} classes (0 to {num_classes - 1}) nor '
                f'ignore_index={self.ignore_index} of the target.'
            )

    def compute_metrics(self, results: list[Tensor]) -> dict[str, float]:
        """Percentages of all images together."""
        classes = dataset_classes(self.dataset_meta, type(self).__name__)
        columns = class_columns(classes, self.exclude_classes, self.subsets)
        total = torch.zeros(3, len(classes), dtype=torch.float64)
        for counts in results:
            total += counts
        intersect, predicted, target = total
        if self.rule == 'detectron2':  # what is only predicted has no IoU
            predicted = predicted.where(target > 0, 0.0)
        iou = 100 * intersect / (predicted + target - intersect)
        accuracy = 100 * intersect / target
        if not bool(target.sum()):
            print_log(
                f'{type(self).__name__}: no image has a labelled pixel, so '
                'there is no IoU. Check the segmentation folder and '
                f'ignore_index={self.ignore_index}.',
                logger='current',
                level=logging.WARNING,
            )
            return {}
        out = {}
        for group, members in columns.items():
            stem = f'{group}_' if group else ''
            pixels = float(target[members].sum())
            if not pixels:
                continue
            out[f'{stem}mIoU'] = self._mean(iou[members])
            out[f'{stem}mAcc'] = self._mean(accuracy[members])
            right = float(intersect[members].sum())
            out[f'{stem}aAcc'] = 100.0 * right / pixels
        if self.per_class:
            self._log_table(classes, iou, accuracy, target)
        return out

    def _mean(self, values: Tensor) -> float:
        if self.rule == 'all':
            return float(values.nan_to_num(nan=0.0).mean())
        return float(values.nanmean())

    @staticmethod
    def _log_table(
        classes: list[str], iou: Tensor, accuracy: Tensor, target: Tensor
    ) -> None:
        rows = [
            (name, int(n), *(None if v != v else v for v in (i, a)))
            for name, n, i, a in zip(
                classes,
                target.tolist(),
                iou.tolist(),
                accuracy.tolist(),
                strict=True,
            )
        ]
        header = ('class', 'pixels', 'IoU', 'accuracy')
        print_log('\n' + text_table(header, rows), logger='current')


def class_map_of(sample: dict, field: str) -> Tensor:
    """(H, W) int64 of a plain map, or of mmseg's ``{'data': (1, H, W)}``."""
    found = sample.get(field)
    if isinstance(found, Mapping):
        found = found.get('data')
    if found is None:
        raise ValueError(
            f'{image_of(sample)} has no {field}. The data set must have a '
            'segmentation folder, and the predictor segmentation=True.'
        )
    found = torch.as_tensor(found).detach().cpu()
    if found.ndim == 3 and found.shape[0] == 1:
        found = found[0]
    if found.ndim != 2 or found.is_floating_point():
        raise ValueError(
            f'{image_of(sample)}: {field} must be an integer map (H, W), got '
            f'{tuple(found.shape)} of {found.dtype}.'
        )
    return found.long()
