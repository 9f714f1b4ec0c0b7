"""The training scenes cut to the aspects that photographs have.

Scenes are squares, so nothing of them is padded. Cut as COCO's pictures are,
mostly 4:3 and 3:2, they ask what padding costs and what the recipe ``native``
changes.
"""

import os
import shutil
from pathlib import Path

from PIL import Image

from ...datasets.grid import rng_for
from .tables import ASPECTS

__all__ = ['make_aspects']

#: Shorter over longer side, drawn with equal chances.
_SHARES = (3 / 4, 3 / 4, 2 / 3, 2 / 3, 0.85, 1.0)
#: Scenes that are wider than high.
_LYING = 2 / 3


def make_aspects(world: Path) -> Path:
    """Cut every training scene, unless that has been done.

    Args:
        world: Folder of the miniature world.

    Returns:
        Folder of the pictures; it has its name only when it is complete.
    """
    folder = world / ASPECTS
    if folder.is_dir():
        return folder
    part = folder.parent.with_suffix('.part')
    shutil.rmtree(part, ignore_errors=True)
    (part / folder.name).mkdir(parents=True)
    for index, path in enumerate(sorted((world / 'train/images').iterdir())):
        with Image.open(path) as image:
            cut = image.crop(_box(image.width, index))
            cut.save(part / folder.name / path.name, quality=95)
    os.replace(part, folder.parent)
    return folder


def _box(side: int, index: int) -> tuple[int, int, int, int]:
    """x0 y0 x1 y1 of a part of a square; a function of its number."""
    rng = rng_for(0, 0, index)
    short = round(side * _SHARES[rng.integers(len(_SHARES))])
    start = int(rng.integers(side - short + 1))
    if rng.uniform() < _LYING:
        return 0, start, side, start + short
    return start, 0, start + short, side
