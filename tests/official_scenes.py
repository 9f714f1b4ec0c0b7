"""Small pictures with exact shapes, which the official layouts are made of."""

from typing import NamedTuple

import numpy as np
from PIL import Image

#: Sides (H, W) in turn; the first two pictures are wide, the third is tall.
SIZES = ((128, 96), (96, 128), (101, 117))
SHAPES = 3


class Scene(NamedTuple):
    """A picture and its shapes.

    Attributes:
        number: From 1.
        pixels: (H, W, 3) uint8.
        boxes: ``SHAPES`` disjoint rectangles (x, y, w, h), filled whole.
    """

    number: int
    pixels: np.ndarray
    boxes: list

    @property
    def size(self):
        """(H, W)."""
        return self.pixels.shape[:2]

    def mask(self, shape):
        """(H, W) uint8, 1 in one rectangle."""
        found = np.zeros(self.size, np.uint8)
        x, y, w, h = self.boxes[shape]
        found[y : y + h, x : x + w] = 1
        return found

    def labels(self, values, background):
        """(H, W) uint16: a value for each rectangle, and for the rest."""
        found = np.full(self.size, background, np.uint16)
        for shape, value in enumerate(values):
            found[self.mask(shape) > 0] = value
        return found

    def save(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self.pixels).save(path)


def scenes(count, first=1):
    """``count`` scenes; a number decides all of a scene."""
    return [_scene(number) for number in range(first, first + count)]


def _scene(number):
    draw = np.random.default_rng(number)
    height, width = SIZES[number % len(SIZES)]
    pixels = draw.integers(90, 150, (height, width, 3), dtype=np.uint8)
    column, boxes = width // SHAPES, []
    for shape in range(SHAPES):
        w, h = column - 4, int(draw.integers(40, height - 12))
        x, y = column * shape + 2, int(draw.integers(2, height - h - 2))
        pixels[y : y + h, x : x + w] = draw.integers(0, 256, 3)
        boxes.append((x, y, w, h))
    return Scene(number, pixels, boxes)


def save_labels(path, labels, palette=False):
    """A class map: 8 bits, 16 where 255 is too little, or VOC's palette."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wide = int(labels.max()) > 255
    image = Image.fromarray(labels.astype(np.uint16 if wide else np.uint8))
    if palette:
        image.putpalette(np.random.default_rng(0).bytes(768))
    image.save(path)


def save_list(path, names):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(names) + '\n')
