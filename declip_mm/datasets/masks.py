"""Masks of regions: from COCO's encodings to the square view."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco_mask
from torch import Tensor

from .class_maps import check_labels, read_labels
from .decoding import ContradictingImage
from .views import fit_size

__all__ = [
    'check_segmentation',
    'decode_segmentation',
    'mask_box',
    'read_class_map',
    'resize_mask',
    'segment_ids',
    'square_masks',
]


def check_segmentation(segmentation: Any, height: int, width: int) -> str:
    """What is wrong with a ``segmentation`` of COCO; empty if nothing.

    Args:
        segmentation: Polygons ``[[x, y, x, y, ...], ...]`` or a run-length
            encoding ``{'size': [h, w], 'counts': ...}``.
        height, width: Of the picture.
    """
    if isinstance(segmentation, list):
        for points in segmentation:
            if not isinstance(points, list) or not all(
                isinstance(p, (int, float)) for p in points
            ):
                return 'a polygon is no list of numbers'
            # Four numbers would be taken for a box.
            if len(points) < 6 or len(points) % 2:
                return f'a polygon has {len(points)} numbers'
        return '' if segmentation else 'no polygon'
    if not isinstance(segmentation, dict):
        return f'a {type(segmentation).__name__} is no segmentation'
    size, counts = segmentation.get('size'), segmentation.get('counts')
    if size != [height, width]:
        return f'its size is {size}, the picture has {[height, width]}'
    if isinstance(counts, list):
        if not all(isinstance(c, int) and c >= 0 for c in counts):
            return 'its counts are no whole numbers'
        if sum(counts) != height * width:
            return (
                f'its counts sum to {sum(counts)}, not to the '
                f'{height * width} pixels'
            )
        return ''
    if not isinstance(counts, str) or not counts:
        return f'its counts are {counts!r:.40}'
    if _pixels(counts) != height * width:
        return f'its counts cannot be decoded: {counts!r:.40}'
    return ''


def _pixels(counts: str) -> int:
    """Pixels that COCO's compressed run lengths cover; -1 if they are none.

    Checked here because pycocotools writes wherever a wrong code points. The
    code: 5 bits a character from ``'0'``, bit 5 says that more follow, and
    from the third run on the difference to the last but one is stored.
    """
    runs, value, shift = [], 0, 0
    for character in counts:
        part = ord(character) - 48
        if not 0 <= part < 64:
            return -1
        value |= (part & 31) << shift
        shift += 5
        if part & 32:
            continue
        if part & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, shift = 0, 0
    return -1 if shift or min(runs, default=-1) < 0 else sum(runs)


def decode_segmentation(
    segmentation: Any, height: int, width: int
) -> np.ndarray:
    """(H, W) bool of a ``segmentation`` that passed the check."""
    if isinstance(segmentation, list):
        parts = coco_mask.frPyObjects(segmentation, height, width)
        segmentation = coco_mask.merge(parts)
    elif isinstance(segmentation['counts'], list):
        segmentation = coco_mask.frPyObjects(segmentation, height, width)
    return coco_mask.decode(segmentation).astype(bool)


def segment_ids(pixels: np.ndarray) -> np.ndarray:
    """COCO panoptic picture (H, W, 3) uint8 -> (H, W) segment ids."""
    red, green, blue = np.moveaxis(pixels.astype(np.int32), -1, 0)
    return red + 256 * green + 65536 * blue


def mask_box(mask: np.ndarray) -> list[int]:
    """x0 y0 x1 y1 around the pixels of a mask that has some."""
    x = np.flatnonzero(mask.any(axis=0))
    y = np.flatnonzero(mask.any(axis=1))
    return [int(x[0]), int(y[0]), int(x[-1]) + 1, int(y[-1]) + 1]


def resize_mask(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """Nearest pixel by pixel centres; a mask with pixels keeps one.

    Args:
        mask: (H, W) bool.
        height, width: Of the result.
    """
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.int64)
        for new, old in zip((height, width), mask.shape)
    )
    small = mask[np.ix_(rows, columns)]
    if not small.any() and mask.any():
        where = np.argwhere(mask)
        y, x = where[len(where) // 2]
        small[y * height // mask.shape[0], x * width // mask.shape[1]] = True
    return small


def square_masks(
    masks: list[np.ndarray], size: tuple[int, int], side: int
) -> Tensor:
    """Masks (H, W) on the right/bottom padded square view.

    Args:
        masks: n masks, (H, W) bool.
        size: (H, W).
        side: Of the view.

    Returns:
        (n, side, side) bool.
    """
    height, width = fit_size(*size, side)
    square = torch.zeros(len(masks), side, side, dtype=torch.bool)
    for index, mask in enumerate(masks):
        small = resize_mask(mask, height, width)
        square[index, :height, :width] = torch.from_numpy(small)
    return square


def read_class_map(
    path: Path, size: tuple[int, int], count: int | None = None
) -> Tensor:
    """(H, W) class indices as stored, uint8 or int32.

    Args:
        path: See :func:`~declip_mm.datasets.class_maps.read_labels`.
        size: (height, width) of the picture.
        count: Classes, to refuse labels that are none (beside 255, or 65535
            where 255 is a class); None allows all.

    Raises:
        UnreadableImage: The file is damaged.
        ContradictingImage: It has another size, or is no class map.
    """
    labels = read_labels(path)
    if labels.shape != tuple(size):
        raise ContradictingImage(
            f'class map {path} has shape {labels.shape}, the picture {size}; '
            'expected one value per pixel.'
        )
    if count is not None:
        check_labels(path, labels, count, 255 if count <= 255 else 65535)
    kind = np.uint8 if labels.max(initial=0) <= 255 else np.int32
    return torch.from_numpy(labels.astype(kind))
