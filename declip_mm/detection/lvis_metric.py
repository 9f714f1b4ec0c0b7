"""AP of LVIS (rare, common, frequent), without the lvis package."""

from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from typing import Any

from mmdet.evaluation import CocoMetric
from mmdet.registry import METRICS
from mmengine.logging import MMLogger

from .coco_metric import CheckedTruth
from .truth import check_numbers

__all__ = ['FasterLVISMetric']

#: Name of ours -> faster-coco-eval's.
_ITEMS = dict(
    AP='AP_all',
    AP50='AP_50',
    AP75='AP_75',
    APs='AP_small',
    APm='AP_medium',
    APl='AP_large',
    APr='APr',
    APc='APc',
    APf='APf',
)


@METRICS.register_module()
class FasterLVISMetric(CheckedTruth, CocoMetric):
    """LVIS v1's federated AP (Gupta et al., CVPR 2019), by faster-coco-eval.

    A class counts in an image only if the image is labelled for it: it has
    objects of the class, or names it in ``neg_category_ids``. Detections of
    classes in ``not_exhaustive_category_ids`` that match no object count
    neither way.

    Args:
        ann_file: LVIS json.
        metric: ``'bbox'``, ``'segm'`` or both.
        max_dets: Detections of one image that count, the best ones.
        Others: Of :class:`mmdet.evaluation.CocoMetric`.

    Raises:
        ValueError: The file contradicts itself, has no frequencies, or
            another metric is asked for.
    """

    default_prefix = 'lvis'

    def __init__(
        self,
        ann_file: str,
        metric: str | Sequence[str] = ('bbox', 'segm'),
        max_dets: int = 300,
        **kwargs,
    ) -> None:
        metric = [metric] if isinstance(metric, str) else list(metric)
        wrong = [m for m in metric if m not in ('bbox', 'segm')]
        if wrong:
            raise ValueError(f"metric {wrong}: allowed are 'bbox', 'segm'.")
        super().__init__(ann_file, metric, **kwargs)
        self.max_dets = max_dets

    def _index(self, content: dict) -> Any:
        from faster_coco_eval import COCO

        check_numbers(self.ann_file, content)
        bare = [
            c['name']
            for c in content['categories']
            if c.get('frequency') not in ('r', 'c', 'f')
        ]
        if bare:
            raise ValueError(
                f'{self.ann_file} says no frequency of {len(bare)} '
                f'categories, such as {bare[:5]}: it is no LVIS file. Use '
                'OVCocoMetric for files in COCO format.'
            )
        #: Classes that each image is labelled for.
        self._labelled = {
            image['id']: set(image.get('neg_category_ids') or ())
            for image in content['images']
        }
        for entry in content['annotations']:
            self._labelled[entry['image_id']].add(entry['category_id'])
        return COCO(content)

    def _by_name(self, meta: dict) -> bool:
        return bool(meta)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """AP of all (image, prediction) pairs, in [0, 1]; -1: no object."""
        from faster_coco_eval import COCOeval_faster

        logger = MMLogger.get_current_instance()
        self._fill_sizes(results)
        files = None
        if self.outfile_prefix is not None:
            files = self.results2json(
                [pred for _, pred in results], self.outfile_prefix
            )
        if self.format_only:
            logger.info(f'results are saved in {files}')
            return OrderedDict()
        found = OrderedDict()
        for kind in self.metrics:
            detections = self._detections(results, kind == 'segm')
            if not detections:
                logger.error(f'{kind}: no detection in the whole data set.')
                found.update({f'{kind}_{item}': 0.0 for item in _ITEMS})
                continue
            evaluator = COCOeval_faster(
                self._coco_api,
                self._coco_api.loadRes(detections),
                iouType=kind,
                lvis_style=True,
                print_function=logger.info,
            )
            evaluator.params.catIds = self.cat_ids
            evaluator.params.maxDets = [self.max_dets]
            evaluator.run()
            stats = evaluator.stats_as_dict
            for item, theirs in _ITEMS.items():
                found[f'{kind}_{item}'] = round(float(stats[theirs]), 4)
        return found

    def _detections(self, results: list, masks: bool) -> list[dict]:
        """COCO records of the best ``max_dets`` of every image.

        Without those of classes that it is not labelled for: the evaluator
        drops them as well, but stumbles over their masks first.
        """
        by_image = defaultdict(list)
        for _, pred in results:
            for index, label in enumerate(pred['labels']):
                record = dict(
                    image_id=pred['img_id'],
                    category_id=self.label_ids[label],
                    score=float(pred['scores'][index]),
                )
                if masks:
                    code = dict(pred['masks'][index])
                    if isinstance(code['counts'], bytes):
                        code['counts'] = code['counts'].decode()
                    record['segmentation'] = code
                else:
                    record['bbox'] = self.xyxy2xywh(pred['bboxes'][index])
                by_image[pred['img_id']].append(record)
        best = []
        for image, records in by_image.items():
            records.sort(key=lambda r: -r['score'])
            labelled = self._labelled[image]
            best += [
                record
                for record in records[: self.max_dets]
                if record['category_id'] in labelled
            ]
        return best
