"""Class maps in files, with as many classes as 16 bits tell apart."""

import numpy as np
from PIL import Image

from ..checkpoint import atomically

__all__ = [
    'NO_CLASS',
    'no_class_label',
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
