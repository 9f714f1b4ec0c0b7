"""Which proposals become pseudo labels of unknown objects.

The rules and numbers are MEPU's (Fang et al., 2023), to which OV-DQUO's
authors refer; theirs were never released.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmdet.structures.bbox import bbox_overlaps
from torchvision.ops import nms

from .label_file import label_entry

__all__ = ['FilterRules', 'filter_proposals']


@dataclass(frozen=True)
class FilterRules:
    """What a box has to be.

    Attributes:
        min_area: In square pixels of the picture.
        max_cover: Largest share of the picture.
        max_aspect: Of the longer to the shorter side.
        nms: IoU above which the lower score of two boxes goes.
        max_iou_base: IoU with an object of a base class, at most.
        per_image: Boxes of a picture, the best ones.
        keep: Share of what is left in all pictures, the best ones.

    Raises:
        ValueError: A number is out of range.
    """

    min_area: float = 2000.0
    max_cover: float = 0.98
    max_aspect: float = 4.0
    nms: float = 0.3
    max_iou_base: float = 0.3
    per_image: int = 10
    keep: float = 0.3

    def __post_init__(self) -> None:
        for name in ('max_cover', 'nms', 'max_iou_base', 'keep'):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise ValueError(
                    f'{name}={value}: allowed is a number above 0, at most 1.'
                )
        for name, low in (('min_area', 0), ('max_aspect', 1)):
            if not getattr(self, name) >= low:
                raise ValueError(
                    f'{name}={getattr(self, name)}: allowed is a number from '
                    f'{low}.'
                )
        if self.per_image < 1:
            raise ValueError(
                f'per_image={self.per_image}: allowed are 1 and more.'
            )


def filter_proposals(
    proposals: Mapping[Any, Sequence[Sequence[float]]],
    base: Mapping,
    rules: FilterRules,
) -> tuple[list[dict], dict[str, int]]:
    """Pseudo labels of unknown objects, all of weight 1.

    Args:
        proposals: Picture -> rows of x, y, width, height, score, in pixels.
        base: Content of a base-only file.
        rules: See :class:`FilterRules`.

    Returns:
        Entries of a pseudo-label file, picture after picture in the order of
        ``base``; and how many boxes each rule took away.
    """
    sizes = {i['id']: (i['height'], i['width']) for i in base['images']}
    known = defaultdict(list)
    for note in base['annotations']:
        known[note['image_id']].append(note['bbox'])
    gone: Counter[str] = Counter()
    kept: list[dict] = []
    for image, size in sizes.items():
        rows = np.array(proposals.get(image, ()), dtype=float).reshape(-1, 5)
        left = _filter_one(rows, known[image], size, rules, gone)
        kept += [label_entry(image, row[:4], row[4]) for row in left]
    scores = sorted((entry['score'] for entry in kept), reverse=True)
    most = round(rules.keep * len(kept))
    # of equal scores at the border all stay: none is better than another
    border = scores[most - 1] if most else float('inf')
    best = [entry for entry in kept if entry['score'] >= border]
    gone['keep'] = len(kept) - len(best)
    return best, dict(gone)


def _filter_one(
    rows: np.ndarray,
    known: Sequence[Sequence[float]],
    size: tuple[int, int],
    rules: FilterRules,
    gone: Counter,
) -> np.ndarray:
    """(N, 5) x, y, width, height, score -> rows that are left, best first."""
    rows = rows[np.argsort(-rows[:, 4], kind='stable')]
    width, height = rows[:, 2], rows[:, 3]
    area = width * height
    longer, shorter = np.maximum(width, height), np.minimum(width, height)
    tests = dict(
        min_area=(area >= rules.min_area) & (shorter > 0),
        max_cover=area <= rules.max_cover * size[0] * size[1],
        max_aspect=longer <= rules.max_aspect * shorter,
        max_iou_base=_overlap(rows, known) <= rules.max_iou_base,
    )
    fine = np.ones(len(rows), bool)
    for name, passed in tests.items():
        gone[name] += int((fine & ~passed).sum())
        fine &= passed
    rows = rows[fine]
    boxes, scores = _corners(rows[:, :4]), torch.from_numpy(rows[:, 4])
    single = rows[nms(boxes, scores.float(), rules.nms).sort()[0].numpy()]
    gone['nms'] += len(rows) - len(single)
    gone['per_image'] += max(0, len(single) - rules.per_image)
    return single[: rules.per_image]


def _corners(boxes: Any) -> torch.Tensor:
    found = torch.as_tensor(np.asarray(boxes, dtype=np.float32).reshape(-1, 4))
    return torch.cat((found[:, :2], found[:, :2] + found[:, 2:]), dim=1)


def _overlap(rows: np.ndarray, known: Sequence) -> np.ndarray:
    """Largest IoU of each box with a known object."""
    if not len(known) or not len(rows):
        return np.zeros(len(rows))
    found = bbox_overlaps(_corners(rows[:, :4]), _corners(known))
    return found.amax(dim=1).numpy()
