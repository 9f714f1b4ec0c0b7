"""Pictures as people give them: files, folders, patterns, arrays."""

import glob
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ..datasets.decoding import UnreadableImage, read_image
from ..datasets.listing import IMAGE_SUFFIXES, list_folder

__all__ = [
    'ReadImage',
    'check_max_side',
    'find_images',
    'in_batches',
    'read_images',
]


class ReadImage(NamedTuple):
    """A picture that was read.

    Attributes:
        name: Of the files that are written about it; no other has it.
        source: File, or None of an array.
        image: (H, W, 3) uint8 RGB.
    """

    name: str
    source: str | None
    image: np.ndarray

    @property
    def path(self) -> str:
        """How it is called in messages: its file, or its name."""
        return self.source or self.name


def find_images(inputs: Any) -> list[tuple[str, Any]]:
    """(name, file or array) of each picture; what a folder has is sorted.

    Args:
        inputs: File, folder, glob, array (H, W, 3), or a list of these.

    Raises:
        FileNotFoundError: Nothing is there.
    """
    if isinstance(inputs, str | Path | np.ndarray):
        inputs = [inputs]
    found: list[Any] = []
    for one in inputs:
        found += [one] if isinstance(one, np.ndarray) else _files(str(one))
    used: Counter = Counter()
    named = []
    for number, one in enumerate(found):
        array = isinstance(one, np.ndarray)
        stem = f'array_{number}' if array else Path(one).stem
        # a.jpg and a.png, or two folders' a.jpg, get files of their own
        while stem in used:
            used[stem] += 1
            stem = f'{stem}_{used[stem]}'
        used[stem] = 1
        named.append((stem, one))
    return named


def _files(path: str) -> list[str]:
    if Path(path).is_file():
        return [path]
    if Path(path).is_dir():
        found = [str(Path(path) / name) for name in list_folder(Path(path))]
    else:
        found = sorted(
            f
            for f in glob.glob(path, recursive=True)
            if f.lower().endswith(IMAGE_SUFFIXES)
        )
    if not found:
        raise FileNotFoundError(
            f'{path} is no picture, no folder with pictures and no pattern '
            f'that finds any ({" ".join(IMAGE_SUFFIXES)}).'
        )
    return found


def check_max_side(max_side: int | None) -> None:
    """Refuse a bound that leaves no pixels."""
    if max_side is not None and max_side < 16:
        raise ValueError(
            f'max_side={max_side}: the longest side is bounded to 16 pixels '
            'or more; None leaves pictures as they are.'
        )


def read_images(
    sources: Sequence[tuple[str, Any]],
    max_side: int | None = None,
    failed: Callable[[str, str], None] | None = None,
) -> Iterator[ReadImage]:
    """Read what :func:`find_images` found, one at a time.

    Args:
        sources: Names, and files or arrays.
        max_side: Pictures with a longer side are scaled down to it.
        failed: Called with path and reason for a file that cannot be read,
            which is left out; None raises.

    Raises:
        UnreadableImage: Names the file.
        ValueError: An array is no picture.
    """
    for name, one in sources:
        array = isinstance(one, np.ndarray)
        is_picture = array and one.ndim == 3 and one.shape[2] == 3
        if array and not (is_picture and one.dtype == np.uint8 and one.size):
            raise ValueError(
                f'an array must be (H, W, 3) uint8 BGR, got {one.shape} of '
                f'{one.dtype}.'
            )
        try:
            image = one[..., ::-1] if array else read_image(one)
        except UnreadableImage as error:
            if failed is None:
                raise
            failed(one, str(error))
            continue
        image = _bounded(image, max_side)
        yield ReadImage(name, None if array else str(one), image)


def _bounded(
    image: np.ndarray | Image.Image, max_side: int | None
) -> np.ndarray:
    """(H, W, 3) with no side longer than ``max_side``."""
    pixels = np.ascontiguousarray(image)
    height, width = pixels.shape[:2]
    if max_side is None or max(height, width) <= max_side:
        return pixels
    factor = max_side / max(height, width)
    size = [max(1, round(side * factor)) for side in (width, height)]
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BOX)
    return np.asarray(image)


def in_batches(pictures: Iterator[ReadImage], size: int) -> Iterator[list]:
    """Lists of ``size`` pictures, the last perhaps shorter."""
    if size < 1:
        raise ValueError(f'batch_size must be 1 or more, got {size}.')
    while batch := list(islice(pictures, size)):
        yield batch
