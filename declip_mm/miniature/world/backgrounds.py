"""Backgrounds of the miniature world: procedural families and photo crops.

Training and validation draw from disjoint families and disjoint photographs,
so that a model cannot know a validation background.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image

# (H, W, 3) float arrays in [0, 255]; S is the side of the square canvas.
Texture = Callable[[np.random.Generator, int], np.ndarray]


def _colours(rng: np.random.Generator, n: int) -> np.ndarray:
    """``n`` rather muted colours, (n, 3)."""
    base = rng.uniform(30, 235, (n, 3))
    grey = base.mean(1, keepdims=True)
    return grey + rng.uniform(0.3, 0.9) * (base - grey)


def _mix(weight: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    weight = weight[..., None]
    return low * (1 - weight) + high * weight


def _axes(size: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:size, :size].astype(np.float32)
    return x / size, y / size


def _noise(rng: np.random.Generator, size: int, octaves: int) -> np.ndarray:
    """Value noise in [0, 1]: smooth random grids, halved in weight each."""
    total = np.zeros((size, size), np.float32)
    cells = int(rng.integers(2, 5))
    for octave in range(octaves):
        grid = rng.random((cells + 1, cells + 1), np.float32)
        layer = Image.fromarray(grid).resize((size, size), Image.BICUBIC)
        total += np.asarray(layer) * 0.5**octave
        cells *= 2
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def _flat(rng: np.random.Generator, size: int) -> np.ndarray:
    """Nearly flat: one colour, faint grain."""
    image = np.broadcast_to(_colours(rng, 1)[0], (size, size, 3))
    return image + rng.normal(0, 2.5, (size, size, 1))


def _gradient(rng: np.random.Generator, size: int) -> np.ndarray:
    x, y = _axes(size)
    angle = rng.uniform(0, 2 * np.pi)
    ramp = (np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)) / 1.42
    return _mix(ramp + 0.5, *_colours(rng, 2))


def _stripes(rng: np.random.Generator, size: int) -> np.ndarray:
    x, y = _axes(size)
    angle, count = rng.uniform(0, np.pi), rng.uniform(4, 16)
    wave = np.sin(2 * np.pi * count * (np.cos(angle) * x + np.sin(angle) * y))
    return _mix((wave > rng.uniform(-0.5, 0.5)) * 1.0, *_colours(rng, 2))


def _checker(rng: np.random.Generator, size: int) -> np.ndarray:
    x, y = _axes(size)
    count = int(rng.integers(4, 14))
    odd = (np.floor(x * count) + np.floor(y * count)) % 2
    return _mix(odd, *_colours(rng, 2))


def _clouds(rng: np.random.Generator, size: int) -> np.ndarray:
    return _mix(_noise(rng, size, 5), *_colours(rng, 2))


def _grain(rng: np.random.Generator, size: int) -> np.ndarray:
    coarse = _mix(_noise(rng, size, 2), *_colours(rng, 2))
    return coarse + rng.normal(0, rng.uniform(6, 20), (size, size, 1))


def _radial(rng: np.random.Generator, size: int) -> np.ndarray:
    x, y = _axes(size)
    cx, cy = rng.uniform(0.2, 0.8, 2)
    distance = np.hypot(x - cx, y - cy)
    return _mix(np.clip(distance / 0.9, 0, 1), *_colours(rng, 2))


def _dots(rng: np.random.Generator, size: int) -> np.ndarray:
    x, y = _axes(size)
    count, radius = rng.uniform(5, 14), rng.uniform(0.15, 0.42)
    distance = np.hypot(x * count % 1 - 0.5, y * count % 1 - 0.5)
    return _mix((distance < radius) * 1.0, *_colours(rng, 2))


def _rings(rng: np.random.Generator, size: int) -> np.ndarray:
    """Wood-like: rings bent by noise."""
    x, y = _axes(size)
    cx, cy = rng.uniform(-0.6, 1.6, 2)
    distance = np.hypot((x - cx) * rng.uniform(0.3, 1), y - cy)
    bend = distance + 0.12 * _noise(rng, size, 3)
    wave = np.sin(2 * np.pi * rng.uniform(6, 16) * bend)
    return _mix(wave / 2 + 0.5, *_colours(rng, 2))


def _tiles(rng: np.random.Generator, size: int) -> np.ndarray:
    """Voronoi cells of a few colours."""
    x, y = _axes(size)
    n = int(rng.integers(8, 22))
    px, py = rng.random((2, n, 1, 1))
    nearest = ((x - px) ** 2 + (y - py) ** 2).argmin(0)
    return _colours(rng, n)[nearest]


PROCEDURAL: dict[str, tuple[Texture, ...]] = {
    'train': (_flat, _gradient, _stripes, _checker, _clouds, _grain),
    'val': (_flat, _radial, _dots, _rings, _tiles),
}
PHOTO_SHARE = 0.3


def make_background(
    rng: np.random.Generator, size: int, family: str, photos: list[Image.Image]
) -> np.ndarray:
    """One background.

    Args:
        rng: Source of all randomness.
        size: Side of the square canvas in pixels.
        family: ``'train'`` or ``'val'``.
        photos: The photographs of that family (may be empty).

    Returns:
        (size, size, 3) uint8.
    """
    if family not in PROCEDURAL:
        raise ValueError(
            f'family is {family!r}, allowed: {sorted(PROCEDURAL)}'
        )
    if photos and rng.random() < PHOTO_SHARE:
        image = _photo_crop(rng, size, photos[rng.integers(len(photos))])
    else:
        makers = PROCEDURAL[family]
        image = makers[rng.integers(len(makers))](rng, size)
    return np.clip(image, 0, 255).astype(np.uint8)


def _photo_crop(
    rng: np.random.Generator, size: int, photo: Image.Image
) -> np.ndarray:
    side = int(min(photo.size) * rng.uniform(0.5, 1.0))
    x = int(rng.integers(photo.width - side + 1))
    y = int(rng.integers(photo.height - side + 1))
    crop = photo.resize(
        (size, size), Image.BILINEAR, (x, y, x + side, y + side)
    )
    image = np.asarray(crop, np.float32) * rng.uniform(0.8, 1.2)
    # the CC0 textures are grey: tint them
    return image * (1 + rng.uniform(-0.25, 0.25, 3))
