"""Class maps in files, with as many classes as 16 bits tell apart."""

import io
import os
from typing import Optional

import numpy as np
from mmengine import fileio
from PIL import Image

from ..datasets.class_maps import decode_labels

__all__ = ['NO_CLASS', 'no_class_label', 'read_labels', 'write_labels']

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
        UnreadableImage: The file is damaged.
        ContradictingImage: It is no class map; see
            :func:`~declip_mm.datasets.class_maps.decode_labels`.
    """
    if backend_args is None and '://' not in path:
        return decode_labels(path)
    data = fileio.get(path, backend_args=backend_args)
    return decode_labels(path, io.BytesIO(data))


def write_labels(path: str, labels: np.ndarray) -> None:
    """Write a class map as PNG: 8 bits if they hold it, else 16.

    Args:
        path: PNG file; its folder is made.
        labels: (H, W) integers from 0 to 65535.
    """
    labels = np.asarray(labels)
    low, high = int(labels.min(initial=0)), int(labels.max(initial=0))
    if labels.ndim != 2 or low < 0 or high > NO_CLASS[1]:
        raise ValueError(
            f'a class map must be (H, W) with labels 0 to {NO_CLASS[1]}, got '
            f'{labels.shape} with {low} to {high}.'
        )
    kind = np.uint8 if high <= NO_CLASS[0] else np.uint16
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    Image.fromarray(labels.astype(kind)).save(path)
