"""Class maps in picture files: one label a pixel."""

import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine import fileio
from PIL import Image

from .coco_json import some
from .decoding import (
    ContradictingImage,
    check_sums,
    explained,
    obey_pixel_limit,
    printable,
)

__all__ = ['check_labels', 'read_labels', 'suspicious_labels', 'values_of']

#: Change labels when they are written, so that no map can be in them.
_LOSSY = ('AVIF', 'JPEG', 'MPO', 'WEBP')
_MOST = 65535
#: Names of a class 0 that may well be in every picture.
_GROUND = ('background', 'bg', 'none', 'other', 'unlabel', 'void', 'ignore')


def read_labels(path: Any, backend_args: dict | None = None) -> np.ndarray:
    """Read a class map of 1, 8 or 16 bits.

    Palettes keep their indices. Grey that was saved in colour or with an
    opaque alpha channel is read as grey.

    Args:
        path: File, or address that mmengine's file backends know.
        backend_args: Of the file backend.

    Returns:
        (H, W) uint16. mmseg's own loader keeps the low 8 bits alone, which
        turns class 256 into class 0 and says nothing.

    Raises:
        UnreadableImage: The file is damaged.
        ContradictingImage: A picture in colours, of a lossy kind, or with
            labels that are none.
    """
    file: Any = path
    if backend_args is not None or '://' in str(path):
        file = io.BytesIO(fileio.get(path, backend_args=backend_args))
    obey_pixel_limit()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            check_sums(file)
            if file is not path:
                file.seek(0)
            with Image.open(file) as image:
                kind, mode = image.format, image.mode
                pixels = np.array(image)
    # Pillow's parsers raise whatever a damaged file makes them stumble over.
    except Exception as error:
        raise explained(path, error) from error
    if kind in _LOSSY:
        raise ContradictingImage(
            f'{printable(path)} is a {kind} file, which changes labels when '
            'it is written; a class map must be a PNG or TIFF. Make it again '
            'from the source.'
        )
    return _one_channel(path, pixels, mode)


def _one_channel(path: Any, pixels: np.ndarray, mode: str) -> np.ndarray:
    shape = pixels.shape
    if mode in ('LA', 'RGBA') and (pixels[..., -1] == 255).all():
        pixels = pixels[..., :-1]
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    if pixels.ndim != 2 or pixels.dtype.kind not in 'uib':
        raise ContradictingImage(
            f'{printable(path)} is no class map: it has shape {shape}, '
            f'type {pixels.dtype} and mode {mode}; expected one value per '
            'pixel, a whole number. Replace each colour by the label that it '
            'stands for.'
        )
    low, high = int(pixels.min(initial=0)), int(pixels.max(initial=0))
    if low < 0 or high > _MOST:
        raise ContradictingImage(
            f'{printable(path)} has labels from {low} to {high}; allowed '
            f'are 0 to {_MOST}.'
        )
    return pixels.astype(np.uint16)


def values_of(labels: np.ndarray) -> np.ndarray:
    """Labels that a map (H, W) has, sorted."""
    return np.flatnonzero(np.bincount(labels.ravel()))


def check_labels(
    path: Any,
    labels: np.ndarray,
    count: int,
    ignore_index: int = 255,
    reduce_zero_label: bool = False,
) -> np.ndarray:
    """Refuse labels that are no class.

    Args:
        path: Of the file, for messages.
        labels: (H, W) as stored.
        count: Classes of the files.
        ignore_index: Label of pixels that count nowhere.
        reduce_zero_label: 0 counts nowhere, class 0 is 1 in the files.

    Returns:
        The labels that the map has.

    Raises:
        ContradictingImage: Names the file, the labels and what is allowed.
    """
    found = values_of(labels)
    last = count - 1 + reduce_zero_label
    wrong = found[(found > last) & (found != ignore_index)]
    if not len(wrong):
        return found
    shifted = wrong.tolist() == [count] and not reduce_zero_label
    remedy = (
        'If 0 means unlabelled and class 0 is stored as 1, set '
        'reduce_zero_label=True.'
        if shifted
        else 'Give the names of all classes of these maps, or write the '
        'ignored label where there is no class.'
    )
    raise ContradictingImage(
        f'{printable(path)} has labels {some(wrong.tolist(), 8)}, which are '
        f'none of the {count} classes; allowed are 0 to {last} and '
        f'{ignore_index} (ignored). {remedy}'
    )


def suspicious_labels(
    found: Sequence[np.ndarray],
    classes: Sequence[str],
    ignore_index: int,
    reduce_zero_label: bool,
) -> tuple[str, bool]:
    """What the labels of some maps tell about a mistake in writing them.

    Args:
        found: :func:`values_of` some maps.
        classes: Names of the files' classes.

    Returns:
        Why they look wrong, '' if they do not, and whether that is sure.
    """
    every = set().union(*(f.tolist() for f in found))
    if every == {0, ignore_index} and len(classes) > 1 and ignore_index == 255:
        return (
            f'they have the labels 0 and 255 alone, and 255 is ignored, so '
            f'that {classes[1]!r} would never be seen. Write 1 for '
            f'{classes[1]!r}.',
            len(classes) == 2,
        )
    everywhere = len(found) > 1 and all(f[0] == 0 for f in found if len(f))
    ground = str(classes[0]).lower().startswith(_GROUND)
    if (
        everywhere
        and len(classes) > 2
        and not (ground or reduce_zero_label or ignore_index in every)
    ):
        return (
            f'all have label 0, which is {classes[0]!r}, and none has '
            f'{ignore_index} (ignored). If 0 means unlabelled, set '
            'reduce_zero_label=True.',
            False,
        )
    return '', False
