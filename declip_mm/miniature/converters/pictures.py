"""Pictures and class maps of the world under another set's names."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from ...evaluation.label_files import write_labels


def fresh(path: Path) -> Path:
    """The path of a file to come; its folder is there, the old one gone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return path


def write_pictures(
    source: Path,
    root: Path,
    image: str,
    label: str,
    table: np.ndarray,
    limit: int | None = None,
) -> list[str]:
    """Link the pictures of a split, write its class maps.

    Args:
        source: Split of the world.
        root: Of the other set.
        image, label: File of a picture and of its map; ``{}`` is its number.
            A picture in another format is converted.
        table: (256,) label of the world -> label of the set.
        limit: Only the first pictures.

    Returns:
        The numbers.
    """
    pictures = sorted((source / 'images').iterdir())[:limit]
    for picture in pictures:
        path = fresh(root / image.format(picture.stem))
        if path.suffix == picture.suffix:
            os.symlink(picture.resolve(), path)
        else:
            Image.open(picture).save(path)
        labels = Image.open(source / 'semantic' / f'{picture.stem}.png')
        path = fresh(root / label.format(picture.stem))
        write_labels(str(path), table[np.asarray(labels)])
    return [picture.stem for picture in pictures]
