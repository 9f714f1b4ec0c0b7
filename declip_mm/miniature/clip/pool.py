"""The tiny CLIP's training pictures, rendered once into memory, and augmented.

Only sprites of split ``known`` and training backgrounds appear.  A picture's
target is a distribution over the class names plus ``background``.
"""

import functools

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..world.backgrounds import make_background
from ..world.build import render
from ..world.pack import SpritePack, jitter
from ..world.scenes import (
    SPARSE,
    Canvas,
    Recipe,
    compose,
    pick,
)

SIDE = 112  # pixels of a pool picture
CHUNK = 64  # pictures from one random stream
MIN_PART = 0.04  # an object below this share of the picture is no label
# share of the pool: one object, two or three, cut from scenes, empty
ONE, FEW, CUT = 0.40, 0.15, 0.35
# scenes to cut from; kept apart from the world's, which may change
CROWDED = Recipe(('known',), 'train', objects=(6, 10), size=(58.0, 125.0))
LOOSE = Recipe(('known',), 'train', **SPARSE)


class PoolMaker:
    """Renders chunks of the pool.

    Args:
        seed: Chunk ``i`` is a function of ``(seed, i)`` alone.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.pack = SpritePack()
        self.groups = self.pack.by_class('known')
        self.names = len(self.pack.classes) - len(self.pack.unseen)

    def __call__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Pictures (CHUNK, SIDE, SIDE, 3) uint8, targets (CHUNK, C + 1).

        A negative index gives a chunk of tight crops only.
        """
        if index < 0:
            rng = np.random.default_rng([self.seed, 77, -index, 1])
            pairs = [self._tight(rng) for _ in range(CHUNK)]
        else:
            rng = np.random.default_rng([self.seed, 77, index])
            pairs, cut = [], round(CHUNK * CUT)
            while len(pairs) < cut:
                pairs += self._scene_cuts(rng, 8)
            pairs = pairs[:cut]
            for i in range(CHUNK - cut):
                share = i / CHUNK
                if share < ONE:
                    pairs.append(self._one(rng))
                elif share < ONE + FEW:
                    pairs.append(self._few(rng))
                else:
                    pairs.append((self._background(rng), {}))
        images, areas = zip(*pairs)
        targets = np.stack([self._target(a) for a in areas])
        return np.stack(images), targets.astype(np.float16)

    def _target(self, areas: dict[int, float]) -> np.ndarray:
        """Visible shares of the picture -> distribution over the names."""
        target = np.zeros(self.names + 1)
        for label, share in areas.items():
            if share >= MIN_PART:
                target[label] = share
        if not target.any():
            target[self.names] = 1.0
        return target / target.sum()

    def _background(self, rng: np.random.Generator) -> np.ndarray:
        return make_background(rng, SIDE, 'train', self.pack.photos['train'])

    def _one(self, rng: np.random.Generator):
        """One object, on some with cut-off distractors under it."""
        canvas = Canvas(self._background(rng), 1.0)
        if rng.random() < 0.45:
            for _ in range(rng.integers(1, 4)):
                self._add(canvas, rng, (40, 90), overhang=0.7)
        self._add(canvas, rng, (SIDE * 0.5, SIDE * 1.0), overhang=0.12)
        image, objects = canvas.finish()
        return image, {objects[-1].label: 1.0}

    def _tight(self, rng: np.random.Generator):
        """One object, cut along its box: the easiest pictures."""
        canvas = Canvas(self._background(rng), 1.0)
        for _ in range(rng.integers(0, 3)):
            self._add(canvas, rng, (40, 90), overhang=0.7)
        self._add(canvas, rng, (70, 108), overhang=0.0)
        image, objects = canvas.finish()
        box = _loose_box(objects[-1].box, SIDE, rng)
        part = Image.fromarray(image).resize((SIDE, SIDE), Image.BICUBIC, box)
        return np.asarray(part), {objects[-1].label: 1.0}

    def _few(self, rng: np.random.Generator):
        canvas = Canvas(self._background(rng), 0.4)
        for _ in range(rng.integers(2, 4)):
            self._add(canvas, rng, (34, 66), overhang=0.1)
        image, objects = canvas.finish()
        return image, _areas(objects, 0, 0, SIDE, SIDE)

    def _add(self, canvas: Canvas, rng: np.random.Generator, size, overhang):
        sprite = pick(self.groups, rng)
        image = jitter(sprite.image, rng.uniform(*size), rng)
        canvas.place(image, sprite.label, rng, overhang)

    def _scene_cuts(self, rng: np.random.Generator, count: int):
        """Tight boxes and grid cells of one object-dense scene."""
        recipe = CROWDED if rng.random() < 0.7 else LOOSE
        image, objects = compose(self.pack, [self.groups], recipe, rng)
        picture = Image.fromarray(image)
        for i in range(count):
            if i % 2 == 0:
                box = _loose_box(
                    objects[rng.integers(len(objects))].box, recipe.canvas, rng
                )
            else:
                box = _grid_cell(recipe.canvas, rng)
            part = picture.resize((SIDE, SIDE), Image.BICUBIC, box)
            yield np.asarray(part), _areas(objects, *box)


def _loose_box(box, canvas: int, rng: np.random.Generator):
    """A tight box moved by up to an eighth of its sides."""
    x0, y0, x1, y1 = box
    dx, dy = (x1 - x0) / 8, (y1 - y0) / 8
    x0, x1 = (round(x + rng.uniform(-dx, dx)) for x in (x0, x1))
    y0, y1 = (round(y + rng.uniform(-dy, dy)) for y in (y0, y1))
    return (
        max(x0, 0),
        max(y0, 0),
        max(min(x1, canvas), x0 + 4),
        max(min(y1, canvas), y0 + 4),
    )


def _grid_cell(canvas: int, rng: np.random.Generator):
    m, n = rng.integers(1, 7, 2)
    i, j = rng.integers(m), rng.integers(n)
    return (
        round(canvas * j / n),
        round(canvas * i / m),
        round(canvas * (j + 1) / n),
        round(canvas * (i + 1) / m),
    )


def _areas(objects, x0: int, y0: int, x1: int, y1: int) -> dict[int, float]:
    areas: dict[int, float] = {}
    for item in objects:
        share = float(item.mask[y0:y1, x0:x1].mean())
        areas[item.label] = areas.get(item.label, 0.0) + share
    return areas


_maker = functools.cache(PoolMaker)  # once a process


def _chunk(seed: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    return _maker(seed)(index)


def render_pool(count: int, tight: int, seed: int):
    """Render the pool; counts are rounded up to whole chunks.

    Args:
        count: Pictures of all kinds, which come first.
        tight: Tight crops, which follow.
        seed: Decides every picture.

    Returns:
        images (N, SIDE, SIDE, 3) uint8 and targets (N, C + 1) float16.
    """
    indices = [*range(-(-count // CHUNK))]
    indices += [-1 - i for i in range(-(-tight // CHUNK))]
    images = np.empty((len(indices) * CHUNK, SIDE, SIDE, 3), np.uint8)
    targets = []
    work, title = functools.partial(_chunk, seed), f'pool, chunks of {CHUNK}'
    for i, (pictures, labels) in enumerate(
        render(work, indices, title, processes=2)
    ):
        images[i * CHUNK : (i + 1) * CHUNK] = pictures
        targets.append(labels)
    return images, np.concatenate(targets)


def augment(
    images: np.ndarray,
    size: int,
    rng: np.random.Generator,
    mean: Tensor,
    std: Tensor,
    smallest: float = 0.74,
) -> Tensor:
    """Random crops, flips and colours.

    Args:
        images: (B, P, P, 3) uint8.
        size: Side of the result.
        rng: Source of all randomness.
        mean: Pixel mean, (3, 1, 1), on the scale 0 to 255.
        std: Pixel deviation, likewise.
        smallest: Smallest crop as a share of the side.

    Returns:
        (B, 3, size, size) float32, normalised.
    """
    batch, pool = images.shape[:2]
    side = int(rng.integers(round(pool * smallest), pool + 1))
    corners = rng.integers(0, pool - side + 1, (batch, 2))
    parts = np.stack(
        [
            image[y : y + side, x : x + side]
            for image, (y, x) in zip(images, corners)
        ]
    )
    x = torch.from_numpy(parts).permute(0, 3, 1, 2)
    x = F.interpolate(
        x, (size, size), mode='bilinear', antialias=True, align_corners=False
    ).float()
    flip = torch.from_numpy(rng.random(batch) < 0.5)
    x = torch.where(flip.view(-1, 1, 1, 1), x.flip(-1), x)
    grey = torch.from_numpy(rng.random(batch) < 0.08).view(-1, 1, 1, 1)
    x = torch.where(grey, x.mean(1, keepdim=True).expand_as(x), x)
    contrast = _uniform(rng, 0.75, 1.25, batch, 1)
    shift = _uniform(rng, -20, 20, batch, 1) + _uniform(rng, -8, 8, batch, 3)
    x = (x - 128) * contrast + 128 + shift
    return (x.clamp(0, 255) - mean) / std


def _uniform(rng, low: float, high: float, batch: int, channels: int):
    values = rng.uniform(low, high, (batch, channels, 1, 1))
    return torch.from_numpy(values).float()
