"""mIoU of open-vocabulary segmentation, by either protocol in use."""

import os
from collections.abc import Mapping, Sequence
from typing import (
    Any,
    ClassVar,
)

import numpy as np
import torch
from mmengine.logging import print_log
from mmseg.registry import METRICS
from torch import Tensor

from ..evaluation.classes import dataset_classes, image_of
from ..evaluation.dense_iou import (
    DenseIoUMetric,
    class_map_of,
    intersect_and_areas,
)
from ..evaluation.label_files import no_class_label, write_labels

__all__ = ['OVIoUMetric']


@METRICS.register_module()
class OVIoUMetric(DenseIoUMetric):
    """mIoU, mAcc and aAcc in percent, for any number of classes.

    Reads ``pred_sem_seg`` and ``gt_sem_seg`` of mmseg's samples. Pixels that
    are predicted as no class (255, or 65535 where 255 is a class) are wrong
    for their true class and false for none.

    Args:
        ignore_index: Target value of pixels that count nowhere. None takes
            the data set's (``metainfo['ignore_index']``), else 255.
        class_map: Class of each predicted label, where several predicted
            labels are one class: a list of class names or indices in the
            order of the predicted labels, or a dict predicted label -> class
            for those that differ.
        seen_classes: Names that training had annotations of; reported are
            also ``seen_mIoU``, ``unseen_mIoU`` (all others) and their
            harmonic mean ``hIoU``. Names that the data set lacks do not
            matter.
        output_dir: Folder for the predicted maps, 8 or 16 bits a pixel as
            they need; labels as the files of the data set have them, or,
            where it has a part of its classes, positions in that part.
        format_only: Only write them.
        kwargs: See :class:`~declip_mm.evaluation.DenseIoUMetric`, such as
            ``rule``: ``'mmseg'`` for training-free segmentation,
            ``'detectron2'`` for the six CAT-Seg sets.
    """

    default_prefix = None

    _ABSENT: ClassVar[dict[str, str]] = dict(
        zero='mmseg', exclude='detectron2'
    )

    def __init__(
        self,
        ignore_index: int | None = None,
        class_map: Sequence | Mapping[int, Any] | None = None,
        seen_classes: Sequence[str] | None = None,
        output_dir: str | None = None,
        format_only: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(ignore_index=255, **kwargs)
        if format_only and output_dir is None:
            raise ValueError(
                'format_only=True writes maps and measures nothing; it needs '
                'output_dir, a folder to write to.'
            )
        self.given_ignore_index = ignore_index
        self.class_map = class_map
        self.seen_classes = seen_classes and list(seen_classes)
        self.output_dir, self.format_only = output_dir, format_only
        self._table: Tensor | None = None

    def _prepare(self) -> list[str]:
        """Take from the data set what was not given."""
        meta = self.dataset_meta or {}
        classes = dataset_classes(meta, type(self).__name__)
        self.ignore_index = self.given_ignore_index
        if self.ignore_index is None:
            self.ignore_index = meta.get('ignore_index', 255)
        if self.seen_classes:
            seen = [n for n in classes if n in set(self.seen_classes)]
            unseen = [n for n in classes if n not in set(seen)]
            both = dict(seen=seen, unseen=unseen)
            self.subsets.update({k: v for k, v in both.items() if v})
        if self.class_map is not None and self._table is None:
            self._table = _label_table(self.class_map, classes)
        return classes

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the pixels of each picture, and write its map if asked."""
        classes = self._prepare()
        for sample in data_samples:
            if self.output_dir is not None:
                self._write(sample, len(classes))
        if not self.format_only:
            super().process(data_batch, data_samples)

    def _classes_of(self, sample: dict, num_classes: int) -> Tensor:
        """Predicted map (H, W); ``num_classes`` stands for no class."""
        pred = class_map_of(sample, 'pred_sem_seg')
        none = pred == no_class_label(num_classes)
        if self._table is not None:
            none = pred == no_class_label(len(self._table))
            if bool((pred[~none] < len(self._table)).all()):
                known = pred.masked_fill(none, 0)
                pred = self._table[known]
        pred = pred.masked_fill(none, num_classes)
        wrong = pred[(pred < 0) | (pred > num_classes)].unique()
        if len(wrong):
            raise ValueError(
                f'{image_of(sample)}: pred_sem_seg has labels '
                f'{wrong[:8].tolist()}, and the data set {num_classes} '
                'classes. Predict its classes, or say by class_map which '
                'class each predicted label is.'
            )
        return pred

    def _count(self, sample: dict, num_classes: int) -> Tensor:
        pred = self._classes_of(sample, num_classes)
        target = self._target(sample, pred, num_classes)
        counts = intersect_and_areas(
            pred, target, num_classes + 1, self.ignore_index
        )
        return counts[:, :num_classes].cpu()

    def compute_metrics(self, results: list[Tensor]) -> dict[str, float]:
        """Percentages of all pictures together."""
        if self.format_only:
            print_log(f'maps are in {self.output_dir}', logger='current')
            return {}
        self._prepare()
        total = torch.stack([r.double() for r in results]).sum(dim=0)
        out = super().compute_metrics([total])
        if 'seen_mIoU' in out and 'unseen_mIoU' in out:
            seen, unseen = out['seen_mIoU'], out['unseen_mIoU']
            both = seen + unseen
            out['hIoU'] = 2 * seen * unseen / both if both else 0.0
        return out

    def _write(self, sample: dict, num_classes: int) -> None:
        """The predicted map, in the labels of the data set's own files."""
        pred = self._classes_of(sample, num_classes).numpy()
        none = pred == num_classes
        if sample.get('reduce_zero_label'):
            labels = np.where(none, 0, pred + 1)
        else:
            labels = np.where(none, no_class_label(num_classes), pred)
        stem = os.path.splitext(os.path.basename(sample['img_path']))[0]
        write_labels(os.path.join(self.output_dir, f'{stem}.png'), labels)


def _label_table(
    class_map: Sequence | Mapping[int, Any], classes: list[str]
) -> Tensor:
    """Class index of each predicted label."""
    index = {name: i for i, name in enumerate(classes)}
    if isinstance(class_map, Mapping):
        count = max(len(classes), *(int(k) + 1 for k in class_map))
        full: list[Any] = list(range(count))
        for label, owner in class_map.items():
            full[int(label)] = owner
        class_map = full
    table = [index.get(c, c) for c in class_map]
    wrong = [
        c for c in table if not (isinstance(c, int) and 0 <= c < len(classes))
    ]
    if wrong:
        raise ValueError(
            f'class_map leads to {wrong[:8]}, which are no classes of the '
            f'data set: allowed are its {len(classes)} names, or indices.'
        )
    return torch.tensor(table)
