"""Measuring dumped scores for any exponents of the fusion."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
from mmdet.models.layers import multiclass_nms
from mmengine.config import ConfigDict

from .fusion import fuse_scores
from .scores import DumpedScores
from .truth import check_numbers, ids_of_classes, read_truth

__all__ = ['detections', 'evaluate', 'grid', 'sweep']


def detections(
    scores: DumpedScores, alpha: float, beta: float, tau: float
) -> list[dict]:
    """Records (image_id, label, score, bbox) for these settings."""
    about = scores.about
    weight = torch.where(scores.is_base, alpha, beta)
    fused = fuse_scores(scores.det, tau * scores.vlm.float(), weight).exp()
    records = []
    counts = torch.bincount(scores.image, minlength=len(scores.img_ids))
    parts = zip(
        scores.img_ids,
        scores.boxes.split(counts.tolist()),
        fused.split(counts.tolist()),
    )
    for img_id, boxes, own in parts:
        kept, labels = multiclass_nms(
            boxes,
            own,
            about['score_thr'],
            ConfigDict(about['nms']),
            about['max_per_img'],
        )
        xywh = kept[:, :4].clone()
        xywh[:, 2:] -= xywh[:, :2]
        rows = zip(xywh.tolist(), kept[:, 4].tolist(), labels.tolist())
        records += [
            dict(image_id=img_id, bbox=box, score=score, label=label)
            for box, score, label in rows
        ]
    return records


def evaluate(
    api: Any, records: Sequence[dict], scores: DumpedScores
) -> dict[str, float]:
    """Box AP of novel, base and all classes, in percent.

    AP50 for a file in COCO's layout, AP of LVIS where the file states
    frequencies (rare classes are then the novel ones).
    """
    from faster_coco_eval import COCOeval_faster

    ids = ids_of_classes(api.dataset, scores.about['classes'], 'ann_file')
    lvis = all('frequency' in c for c in api.dataset['categories'])
    found = [dict(r, category_id=ids[r['label']]) for r in records]
    most = scores.about['max_per_img']
    if most < 1:  # mmdet's word for no limit
        most = len(found)
    evaluator = COCOeval_faster(
        api, api.loadRes(found), iouType='bbox', lvis_style=lvis
    )
    evaluator.params.imgIds = list(scores.img_ids)
    evaluator.params.catIds = sorted(ids)
    evaluator.params.maxDets = [most]
    evaluator.evaluate()
    evaluator.accumulate()
    # (IoU, recall, class, area, maxDets)
    precision = evaluator.eval['precision'][:, :, :, 0, -1]
    if not lvis:
        precision = precision[:1]
    base = dict(zip(ids, scores.is_base.tolist()))
    flags = np.array([base[i] for i in sorted(ids)])
    name = 'AP' if lvis else 'AP50'
    groups = dict(novel=~flags, base=flags, all=np.ones_like(flags))
    return {
        f'{group}_{name}': _mean(precision[:, :, keep])
        for group, keep in groups.items()
        if keep.any()
    }


def _mean(precision: np.ndarray) -> float:
    valid = precision[precision > -1]
    return round(100 * float(valid.mean()), 2) if valid.size else 0.0


def grid(
    alphas: Sequence[float], betas: Sequence[float], taus: Sequence[float]
) -> list[tuple[float, float, float]]:
    """All settings; exponents lie in [0, 1], temperatures above 0."""
    wrong = [v for v in (*alphas, *betas) if not 0 <= v <= 1]
    wrong += [v for v in taus if v <= 0]
    if wrong:
        raise ValueError(
            f'exponents must lie in [0, 1] and tau above 0, got {wrong}.'
        )
    return list(product(alphas, betas, taus))


def sweep(
    scores: DumpedScores,
    ann_file: str,
    settings: Sequence[tuple[float, float, float]],
) -> Iterator[dict[str, float]]:
    """Measure every setting; yields its row as soon as it is known."""
    from faster_coco_eval import COCO

    content = read_truth(ann_file)
    check_numbers(ann_file, content)
    ids_of_classes(content, scores.about['classes'], ann_file)
    api = COCO(content)
    for alpha, beta, tau in settings:
        records = detections(scores, alpha, beta, tau)
        found = {}
        if records:
            found = evaluate(api, records, scores)
        yield dict(alpha=alpha, beta=beta, tau=tau, **found)
