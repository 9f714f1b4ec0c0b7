"""Scores of both classifiers for every proposal, kept in a file.

R regions, K classes; the background is class K.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import (
    Any,
)
from zipfile import BadZipFile

import numpy as np
import torch
from mmdet.models import StandardRoIHead
from mmdet.structures.bbox import bbox2roi, scale_boxes
from torch import Tensor

from ..checkpoint import atomically

__all__ = ['DumpedScores', 'collect_scores', 'region_scores']


@dataclass
class DumpedScores:
    """What both classifiers say of every proposal.

    Attributes:
        det: (R, K + 1) logits of the detector.
        vlm: (R, K + 1) cosines with CLIP's features; no temperature yet.
        boxes: (R, 4) regressed, in pixels of the picture.
        image: (R,) position of the picture in ``img_ids``.
        img_ids: Of the annotation file.
        is_base: (K + 1,) with the background.
        about: Class names, test settings, annotation file; plain values.
    """

    det: Tensor
    vlm: Tensor
    boxes: Tensor
    image: Tensor
    img_ids: list[int]
    is_base: Tensor
    about: dict[str, Any] = field(default_factory=dict)

    def save(self, path: str) -> None:
        arrays = {
            name: getattr(self, name).numpy()
            for name in ('det', 'vlm', 'boxes', 'image', 'is_base')
        }
        about = json.dumps(self.about)
        with atomically(path) as part, part.open('wb') as file:
            np.savez(file, img_ids=self.img_ids, about=about, **arrays)

    @classmethod
    def load(cls, path: str) -> 'DumpedScores':
        if not Path(path).is_file():
            raise FileNotFoundError(
                f'dumped scores {path} do not exist. Make them with '
                'sweep_fusion.py dump.'
            )
        try:
            with np.load(path, allow_pickle=False) as file:
                tensors = {
                    name: torch.from_numpy(file[name])
                    for name in ('det', 'vlm', 'boxes', 'image', 'is_base')
                }
                return cls(
                    **tensors,
                    img_ids=file['img_ids'].tolist(),
                    about=json.loads(str(file['about'])),
                )
        # numpy, zip and json each say in their own way that it is none
        except (ValueError, KeyError, OSError, BadZipFile) as error:
            raise ValueError(
                f'{path} holds no dumped scores ({type(error).__name__}). '
                'Make them with sweep_fusion.py dump.'
            ) from error


@torch.no_grad()
def region_scores(model: Any, data: Mapping) -> Iterator[tuple]:
    """(image id, logits, cosines, boxes) of the pictures of a batch."""
    data = model.data_preprocessor(data, False)
    samples, head = data['data_samples'], model.roi_head
    x = model.extract_feat(data['inputs'])
    found = model.rpn_head.predict(x, samples, rescale=False)
    proposals = [instances.bboxes for instances in found]
    rois = bbox2roi(proposals)
    # of the detector alone, before our head fuses anything
    results = StandardRoIHead._bbox_forward(head, x, rois)
    cosines = head.vlm_cosines(x.vlm, rois)
    first = 0
    for sample, boxes in zip(samples, proposals):
        part = slice(first, first + len(boxes))
        first += len(boxes)
        decoded = head.bbox_head.bbox_coder.decode(
            rois[part, 1:],
            results['bbox_pred'][part].float(),
            max_shape=sample.img_shape,
        )
        scale = [1 / s for s in sample.scale_factor]
        yield (
            int(sample.img_id),
            results['cls_score'][part].float().cpu(),
            cosines[part].cpu(),
            scale_boxes(decoded, scale).cpu(),
        )


def collect_scores(
    model: Any,
    loader: Any,
    num_images: int = 0,
    half: bool = False,
    progress: Callable[[int], None] | None = None,
) -> DumpedScores:
    """Run a detector over a data loader and keep all scores.

    Args:
        model: :class:`FViT` with its vocabulary, in eval mode.
        loader: Test data loader.
        num_images: Stop after so many pictures; 0 takes all.
        half: Keep scores in float16.
        progress: Called with the number of pictures done.

    Raises:
        KeyboardInterrupt: With what was collected before it as ``scores``.
    """
    kind = torch.float16 if half else torch.float32
    rows: dict[str, list] = dict(det=[], vlm=[], boxes=[], image=[])
    img_ids: list[int] = []
    try:
        for data in loader:
            for img_id, det, vlm, boxes in region_scores(model, data):
                if num_images and len(img_ids) == num_images:
                    break
                rows['det'].append(det.to(kind))
                rows['vlm'].append(vlm.to(kind))
                rows['boxes'].append(boxes)
                rows['image'].append(torch.full((len(boxes),), len(img_ids)))
                img_ids.append(img_id)
            if progress is not None:
                progress(len(img_ids))
            if num_images and len(img_ids) == num_images:
                break
    except KeyboardInterrupt as stop:
        if img_ids:
            stop.scores = _as_scores(model, rows, img_ids)
        raise
    return _as_scores(model, rows, img_ids)


def _as_scores(
    model: Any, rows: Mapping[str, list], img_ids: list[int]
) -> DumpedScores:
    """What was collected of some pictures, with the settings of the test."""
    count = min(len(img_ids), *(len(parts) for parts in rows.values()))
    head, test = model.roi_head, model.roi_head.test_cfg
    return DumpedScores(
        **{name: torch.cat(parts[:count]) for name, parts in rows.items()},
        img_ids=img_ids[:count],
        is_base=head.is_base.cpu(),
        about=dict(
            classes=model.names,
            alpha=head.fusion_alpha,
            beta=head.fusion_beta,
            tau=head.tau_vlm,
            score_thr=test.score_thr,
            nms=dict(test.nms),
            max_per_img=test.max_per_img,
        ),
    )
