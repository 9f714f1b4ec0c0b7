"""mmdet's COCO metrics, on checked truth and with classes by name.

mmdet takes category ids in the order of the file, whatever the order of the
data set's classes. Its data sets number labels that way, too; ours number
them in the order of the classes, and say so in their metainfo.
"""

from collections.abc import Sequence
from typing import Any

from mmdet.evaluation import CocoMetric, OVCocoMetric
from mmdet.registry import METRICS
from mmengine.fileio import get_local_path

from .truth import coco_api, ids_of_classes, read_truth

__all__ = [
    'ByNameCocoMetric',
    'ByNameOVCocoMetric',
    'CheckedTruth',
]


class CheckedTruth:
    """Mixin of COCO metrics, goes before them.

    The annotation file is read and checked as the data sets do. Where the
    data set says that its labels are in the order of its classes, category
    ids are found by name; a class that the file lacks is refused, before the
    first step. Other data sets are measured as mmdet does.

    Args:
        ann_file: COCO json; None takes the truth from the samples.
        sort_categories: Of mmdet's metric; without effect where ids are found
            by name.
        args, kwargs: Of the metric.
    """

    def __init__(
        self,
        ann_file: str | None = None,
        *args,
        sort_categories: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(None, *args, **kwargs)
        self.ann_file = ann_file
        #: Category ids in the order of the labels; None leaves it to mmdet.
        self.label_ids: list[Any] | None = None
        if ann_file is None:
            return
        with get_local_path(ann_file, backend_args=self.backend_args) as path:
            content = read_truth(
                path, 'segm' in self.metrics, self.format_only
            )
        if sort_categories:
            content['categories'].sort(key=lambda c: c['id'])
        self._coco_api = self._index(content)

    def _index(self, content: dict) -> Any:
        return coco_api(content)

    @property
    def dataset_meta(self) -> dict | None:
        """Metainfo of the data set; names are looked up as it is set."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, meta: dict | None) -> None:
        self._dataset_meta = meta
        self.label_ids = self.cat_ids = None
        if self._coco_api is not None and self._by_name(meta or {}):
            self._take_classes(meta)

    def _by_name(self, meta: dict) -> bool:
        """Whether labels are in the order of the classes."""
        return bool(meta.get('labels_follow_classes'))

    def _take_classes(self, meta: dict) -> None:
        self.label_ids = self._ids(meta['classes'])
        # precision has its classes in ascending order of ids
        self.cat_ids = sorted(self.label_ids)

    def _ids(self, names: Sequence[str]) -> list[Any]:
        return ids_of_classes(self._coco_api.dataset, names, self.ann_file)

    def results2json(self, results: Any, outfile_prefix: str) -> dict:
        """As mmdet's, which writes the id under each label."""
        ascending = self.cat_ids
        if self.label_ids is not None:
            self.cat_ids = self.label_ids
        try:
            return super().results2json(results, outfile_prefix)
        finally:
            self.cat_ids = ascending

    def compute_metrics(self, results: list) -> dict[str, float]:
        """See the metric."""
        self._fill_sizes(results)
        return super().compute_metrics(results)

    def _fill_sizes(self, results: list) -> None:
        """Pictures whose size the file lacks are as large as they were."""
        if self._coco_api is None:
            return
        seen = {truth['img_id']: truth for truth, _ in results}
        for image in self._coco_api.dataset['images']:
            if 'height' not in image or 'width' not in image:
                # where nothing was detected any size does
                truth = seen.get(image['id'], dict(height=1, width=1))
                image.update(height=truth['height'], width=truth['width'])


@METRICS.register_module(name='CocoMetric', force=True)
class ByNameCocoMetric(CheckedTruth, CocoMetric):
    """:class:`mmdet.evaluation.CocoMetric`, classes by name.

    Takes its name in the registry, so that configs need not know which of
    the two fits their data set.
    """


@METRICS.register_module(name='OVCocoMetric', force=True)
class ByNameOVCocoMetric(CheckedTruth, OVCocoMetric):
    """:class:`mmdet.evaluation.OVCocoMetric`, classes by name.

    Takes its name in the registry. Without novel (or without base) classes
    ``novel_ap`` and ``base_ap`` are left out: they would repeat the AP of all
    classes.
    """

    def _take_classes(self, meta: dict) -> None:
        super()._take_classes(meta)
        self.base_cat_ids = self._ids(meta['base_classes'])
        self.novel_cat_ids = self._ids(meta['novel_classes'])

    def compute_metrics(self, results: list) -> dict[str, float]:
        """See the class."""
        found = super().compute_metrics(results)
        groups = ('base', 'novel')
        if not all(self.dataset_meta[f'{g}_classes'] for g in groups):
            for group in groups:
                found.pop(f'{group}_ap', None)
                found.pop(f'{group}_ap50', None)
        return found
