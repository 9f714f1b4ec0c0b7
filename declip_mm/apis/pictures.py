"""Pictures as people give them: files, folders, patterns, arrays."""

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

import numpy as np

from ..datasets.decoding import read_image
from ..datasets.listing import IMAGE_SUFFIXES, list_folder

__all__ = ['Picture', 'find_pictures', 'in_batches', 'read_pictures']


class Picture(NamedTuple):
    """A picture that was read.

    Attributes:
        name: Of the files that are written about it; no other has it.
        source: File, or None of an array.
        image: (H, W, 3) uint8 RGB.
    """

    name: str
    source: Optional[str]
    image: np.ndarray


def find_pictures(inputs: Any) -> list[tuple[str, Any]]:
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
    used: dict[str, int] = {}
    named = []
    for number, one in enumerate(found):
        array = isinstance(one, np.ndarray)
        stem = f'array_{number}' if array else Path(one).stem
        # a.jpg and a.png, or two folders' a.jpg, get files of their own
        while (count := used.get(stem, 0)) > 0:
            used[stem] = count + 1
            stem = f'{stem}_{count + 1}'
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


def read_pictures(sources: Sequence[tuple[str, Any]]) -> Iterator[Picture]:
    """Read what :func:`find_pictures` found, one at a time.

    Raises:
        UnreadableImage: Names the file.
        ValueError: An array is no picture.
    """
    for name, one in sources:
        if not isinstance(one, np.ndarray):
            yield Picture(name, str(one), np.asarray(read_image(one)))
            continue
        if one.ndim != 3 or one.shape[2] != 3 or one.dtype != np.uint8:
            raise ValueError(
                f'an array must be (H, W, 3) uint8 BGR, got {one.shape} of '
                f'{one.dtype}.'
            )
        yield Picture(name, None, np.ascontiguousarray(one[..., ::-1]))


def in_batches(pictures: Iterator[Picture], size: int) -> Iterator[list]:
    """Lists of ``size`` pictures, the last perhaps shorter."""
    if size < 1:
        raise ValueError(f'batch_size must be 1 or more, got {size}.')
    batch: list[Picture] = []
    for picture in pictures:
        batch.append(picture)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
