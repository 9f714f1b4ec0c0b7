"""What the converters of class maps share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from .class_maps import read_labels
from .coco_json import some
from .decoding import ContradictingImage, printable

__all__ = ['convert_each', 'read_byte_labels', 'relabel']


def convert_each(items: Sequence[Any], convert: Callable[[Any], None]) -> None:
    """Convert all that can be, showing how far it is.

    Raises:
        ValueError: After all others were done: how many could not be, the
            first of them and why.
    """
    problems: list[str] = []
    for item in tqdm(items):
        try:
            convert(item)
        # what one file can have wrong; a full disk ends it at once
        except (FileNotFoundError, ValueError) as error:
            problems.append(str(error))
    if problems:
        raise ValueError(
            f'{len(problems)} of {len(items)} could not be converted, the '
            f'others are done: {some(problems)}'
        )


def relabel(
    files: Sequence[Path], table: np.ndarray, target: Callable[[Path], Path]
) -> None:
    """Write class maps of 8 bits with other labels.

    Args:
        files: The maps.
        table: (256,) label -> label.
        target: Where that of a file goes.

    Raises:
        ValueError: See :func:`convert_each`.
    """

    def convert(file: Path) -> None:
        found = table[read_byte_labels(file)]
        Image.fromarray(found).save(target(file))

    convert_each(files, convert)


def read_byte_labels(path: Any) -> np.ndarray:
    """A class map (H, W) of 8 bits, as tables of 256 entries take it.

    Raises:
        UnreadableImage, ContradictingImage: Names the file.
    """
    labels = read_labels(path)
    if labels.max(initial=0) > 255:
        raise ContradictingImage(
            f'{printable(path)} has label {labels.max()}; the maps of this '
            'set have 8 bits, 0 to 255. Give the folder of the official maps.'
        )
    return labels.astype(np.uint8)
