"""Class maps in files, with as many classes as 16 bits tell apart."""

import io
from typing import Optional

import numpy as np
from mmengine import fileio
from PIL import Image

from ..checkpoint import atomically

__all__ = [
    'NO_CLASS',
    'no_class_label',
    'read_labels',
    'smallest_kind',
    'write_labels',
]

#: What stands for "no class" where labels need 8 bits, and where they need 16.
NO_CLASS = (255, 65535)


def no_class_label(num_classes: int) -> int:
    """Label of pixels without a class: 255, or 65535 where 255 is a class."""
    if num_classes > NO_CLASS[1]:
        raise ValueError(
            f'class maps hold at most {NO_CLASS[1]} classes in 16 bits, got '
            f'{num_classes}.'
        )
    return NO_CLASS[num_classes > NO_CLASS[0]]


def read_labels(path: str, backend_args: Optional[dict] = None) -> np.ndarray:
    """Read a class map of 8 or 16 bits (PNG, TIFF).

    Args:
        path: File, or address that mmengine's file backends know.
        backend_args: Of the file backend.

    Returns:
        (H, W) uint16. mmseg's own loader keeps the low 8 bits alone, which
        turns class 256 into class 0 and says nothing.

    Raises:
        ValueError: The file is a colour picture or has labels beyond 65535.
    """
    data = fileio.get(path, backend_args=backend_args)
    labels = np.asarray(Image.open(io.BytesIO(data)))
    if labels.ndim != 2 or labels.dtype.kind not in 'uib':
        raise ValueError(
            f'{path} is no class map: it has shape {labels.shape} and type '
            f'{labels.dtype}; wanted is one channel of integers.'
        )
    if labels.size and (labels.min() < 0 or labels.max() > NO_CLASS[1]):
        raise ValueError(
            f'{path} has labels from {labels.min()} to {labels.max()}; '
            f'allowed are 0 to {NO_CLASS[1]}.'
        )
    return labels.astype(np.uint16)


def smallest_kind(labels: np.ndarray) -> np.ndarray:
    """A class map in the 8 bits that hold it, else in 16.

    Args:
        labels: (H, W) integers from 0 to 65535.

    Raises:
        ValueError: It is no such map.
    """
    labels = np.asarray(labels)
    low, high = int(labels.min(initial=0)), int(labels.max(initial=0))
    if labels.ndim != 2 or low < 0 or high > NO_CLASS[1]:
        raise ValueError(
            f'a class map must be (H, W) with labels 0 to {NO_CLASS[1]}, got '
            f'{labels.shape} with {low} to {high}.'
        )
    kind = np.uint8 if high <= NO_CLASS[0] else np.uint16
    return labels.astype(kind, copy=False)


def write_labels(path: str, labels: np.ndarray) -> None:
    """Write a class map as PNG, whole or not at all: 8 bits, or 16.

    Args:
        path: PNG file; its folder is made.
        labels: See :func:`smallest_kind`.
    """
    with atomically(path) as part:
        Image.fromarray(smallest_kind(labels)).save(part, 'PNG')
