"""Accuracy of naming regions that are given (DeCLIP Fig. 6, Table 1)."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.registry import METRICS

from .classes import (
    check_subsets,
    class_columns,
    dataset_classes,
    image_of,
)
from .confusion import (
    check_image_file,
    class_table,
    count_confusions,
    draw_confusion,
)
from .table import beside_log, check_table_file, text_table, write_table

__all__ = ['RegionClassificationMetric']

_FEATURES = ('box', 'mask', 'crop')

#: ``top5`` counts a region as right if its class is among the first five.
_TOP = 5

#: Keeps concatenation defined where no image has a region.
_NO_VALUES = np.zeros(0, dtype=np.int64)


@METRICS.register_module()
class RegionClassificationMetric(BaseMetric):
    """Top-1 and top-5 accuracy of regions, mean over classes and over all.

    Reads ``region_labels`` (n,), ``region_isthing`` (n,) and
    ``region_topk[feature]`` (n, k) of every image. All values are percent in
    full double precision; none is reported where no region occurs.

    Columns for each feature f: ``f_macc`` (mean of the class accuracies over
    the classes that occur), ``f_macc5``, ``f_top1``, ``f_top5`` (over
    regions), ``f_thing_macc``, ``f_stuff_macc``; for each subset s
    ``f_s_macc`` and so on; ``num_regions`` and ``s_num_regions``.

    Args:
        features: Which of ``'box'``, ``'mask'``, ``'crop'`` to report.
        per_class: Log a table with a line for each class that occurs.
        per_class_file: Write that table to this ``.md`` or ``.csv``. Here
            and below, a relative path is one beside the log of the run.
        confusion_file: Draw the confusion of the classes that occur, by the
            first feature, into this ``.png``.
        subsets: Subset name -> class names, reported as columns of their own.
        exclude: Class names that are left out of the main columns (and of
            thing and stuff), such as those of a subset.
        collect_device, prefix, collect_dir: See mmengine's ``BaseMetric``.
    """

    default_prefix = 'region'

    def __init__(
        self,
        features: Sequence[str] = ('box', 'mask'),
        per_class: bool = False,
        per_class_file: str | None = None,
        confusion_file: str | None = None,
        subsets: Mapping[str, Sequence[str]] | None = None,
        exclude: Sequence[str] = (),
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        unknown = [f for f in features if f not in _FEATURES]
        if unknown or not features or isinstance(features, str):
            raise ValueError(
                f'features must be a non-empty list out of {_FEATURES}, got '
                f'{features!r}.'
            )
        self.features = tuple(features)
        self.per_class = per_class
        self.per_class_file = check_table_file(per_class_file)
        self.confusion_file = check_image_file(confusion_file)
        self.subsets = check_subsets(subsets)
        self.exclude = list(exclude)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep, of each image, labels and the rank of the right class."""
        classes = dataset_classes(self.dataset_meta, type(self).__name__)
        self._leave_out_masks()
        # A misspelt name is told after the first image, not after the last.
        class_columns(classes, self.exclude, self.subsets)
        for sample in data_samples:
            self.results.append(self._ranks(sample, len(classes)))

    def _leave_out_masks(self) -> None:
        """Data whose boxes stand alone have no figures of masks."""
        if self.dataset_meta.get('masks', True) or 'mask' not in self.features:
            return
        if self.features == ('mask',):
            raise ValueError(
                "features=('mask',), but no region of the data set has a "
                "mask. Ask for 'box', or give a file with segmentation."
            )
        self.features = tuple(f for f in self.features if f != 'mask')

    def _ranks(self, sample: dict, num_classes: int) -> dict:
        """Labels (n,), things (n,), and rank (n,) per feature: -1 is a miss.

        Always one entry an image, so that mmengine can drop the images with
        which it pads the last batch of a distributed run.
        """
        labels = _array(sample.get('region_labels', ()))
        bad = sorted({int(v) for v in labels if not 0 <= v < num_classes})
        if bad:
            raise ValueError(
                f'{image_of(sample)} has region labels {bad}, but the data '
                f'set has {num_classes} classes (0 to {num_classes - 1}).'
            )
        things = sample.get('region_isthing')
        things = (
            _array(things) if things is not None else -np.ones_like(labels)
        )
        if things.shape != labels.shape:
            raise ValueError(
                f'{image_of(sample)} has {len(labels)} region_labels but '
                f'{len(things)} region_isthing.'
            )
        found = {
            feature: self._first(sample, feature, len(labels), num_classes)
            for feature in self.features
        }
        ranks = {f: _rank(rows, labels) for f, rows in found.items()}
        first = found[self.features[0]][:, :1].flatten()
        return {'labels': labels, 'things': things, 'first': first, **ranks}

    @staticmethod
    def _first(
        sample: dict, feature: str, regions: int, num_classes: int
    ) -> np.ndarray:
        """The best classes of all regions, (n, at most 5)."""
        if not regions:
            return _NO_VALUES.reshape(0, 1)
        topk = sample.get('region_topk') or {}
        if feature not in topk:
            raise ValueError(
                f'{image_of(sample)} has no prediction for feature '
                f'{feature!r}, only for {sorted(topk)}. Ask the predictor '
                f'for it (regions=({feature!r}, ...)), or take it out of the '
                "metric's features."
            )
        found = _array(topk[feature])  # (n, k)
        wanted = regions, min(_TOP, num_classes)
        if found.ndim != 2 or len(found) != wanted[0]:
            raise ValueError(
                f'{image_of(sample)}: region_topk[{feature!r}] has shape '
                f'{found.shape} for {wanted[0]} regions; ({wanted[0]}, k) is '
                'needed.'
            )
        if found.shape[1] < wanted[1]:
            raise ValueError(
                f'{image_of(sample)}: region_topk[{feature!r}] has the best '
                f'{found.shape[1]} classes, top-5 accuracy needs {wanted[1]}.'
            )
        if found.min() < 0 or found.max() >= num_classes:
            raise ValueError(
                f'{image_of(sample)}: class {found.max()} is predicted, but '
                f'the data set has {num_classes} classes. The names of '
                'predictor and data set differ.'
            )
        return found[:, :_TOP]

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Percentages of all images together."""
        classes = dataset_classes(self.dataset_meta, type(self).__name__)
        columns = class_columns(classes, self.exclude, self.subsets)
        fields = ('labels', 'things', 'first', *self.features)
        merged = {
            field: np.concatenate([_NO_VALUES, *(r[field] for r in results)])
            for field in fields
        }
        labels, things = merged['labels'], merged['things']
        out = {}
        for group, members in columns.items():
            chosen = np.isin(labels, members)
            stem = f'{group}_' if group else ''
            # mmengine writes whole numbers to its json as null
            out[f'{stem}num_regions'] = float(chosen.sum())
            for feature in self.features:
                ranks = merged[feature]
                stem = f'{feature}_{group}_' if group else f'{feature}_'
                out |= _accuracies(labels, ranks, chosen, stem)
                if not group:
                    for name, kind in (('thing', 1), ('stuff', 0)):
                        part = chosen & (things == kind)
                        found = _accuracies(labels, ranks, part, '')
                        if found:
                            out[f'{feature}_{name}_macc'] = found['macc']
        self._report(out, classes, merged)
        return out

    def _report(self, out: dict, classes: list[str], merged: dict) -> None:
        if not out['num_regions']:
            print_log(
                f'{type(self).__name__}: none of the images has a region of '
                'the classes in the main columns, so there is no accuracy. '
                "Check the data set's annotations and its limits of region "
                'area.',
                logger='current',
                level=logging.WARNING,
            )
            return
        header, rows = class_table(merged, self.features, classes)
        if self.per_class:
            print_log('\n' + text_table(header, rows), logger='current')
        if self.per_class_file:
            path = beside_log(self.per_class_file)
            write_table(path, header, rows)
            print_log(f'accuracy of each class: {path}', logger='current')
        if self.confusion_file:
            path = beside_log(self.confusion_file)
            title = f'{len(merged["labels"])} regions by {self.features[0]}'
            draw_confusion(path, title, *count_confusions(merged, classes))
            print_log(f'confusion of classes: {path}', logger='current')


def _array(value: Any) -> np.ndarray:
    return torch.as_tensor(value).detach().cpu().long().numpy()


def _rank(found: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Where the right class stands among the best; -1 is nowhere."""
    hits = found == labels[:, None]
    return np.where(hits.any(1), hits.argmax(1), -1)


def _accuracies(
    labels: np.ndarray, ranks: np.ndarray, chosen: np.ndarray, stem: str
) -> dict[str, float]:
    """Percentages over the chosen regions; empty if there are none."""
    if not chosen.any():
        return {}
    labels, ranks = labels[chosen], ranks[chosen]
    counts = np.bincount(labels)
    occurring = counts > 0
    out = {}
    for suffix, top in (('1', 1), ('5', _TOP)):
        right = (ranks >= 0) & (ranks < top)
        hits = np.bincount(labels, weights=right)
        accuracy = hits[occurring] / counts[occurring]
        macc = 'macc' if top == 1 else 'macc5'
        out[f'{stem}{macc}'] = 100.0 * float(accuracy.mean())
        out[f'{stem}top{suffix}'] = 100.0 * float(right.mean())
    return out
