"""Composed scenes: drawings pasted on a background, with exact masks.

Everything is a function of ``(seed, split, index)``, so the number of worker
processes changes nothing.
"""

import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .backgrounds import make_background
from .pack import Sprite, SpritePack, by_label, jitter

VERSION = 1  # raise when a change of code changes any picture
TRIES = 30


@dataclass(frozen=True)
class Recipe:
    """How the scenes of one split are made.

    Attributes:
        sprites: Sprite splits to draw from.
        backgrounds: Background family.
        objects: Smallest and largest number of objects.
        size: Smallest and largest longest side of an object in pixels.
        cover: Largest share of an object that later ones may hide.
        canvas: Side of the square scene in pixels.
    """

    sprites: tuple[str, ...]
    backgrounds: str
    objects: tuple[int, int]
    size: tuple[float, float]
    cover: float = 0.45
    canvas: int = 224


DENSE = dict(objects=(6, 10), size=(62.0, 128.0))
SPARSE = dict(objects=(2, 5), size=(50.0, 115.0))
RECIPES = {
    'train': Recipe(('known',), 'train', **DENSE),
    'tune_known': Recipe(('known',), 'train', **SPARSE),
    'val_known': Recipe(('known',), 'val', **SPARSE),
    'val_heldout': Recipe(('heldout',), 'val', **SPARSE),
    'val_unseen': Recipe(('unseen', 'known'), 'val', **SPARSE),
    'val_photo': Recipe(('photo',), 'val', **SPARSE),
}


@dataclass(frozen=True)
class Placed:
    """One object of a scene: its label and its visible part (H, W) bool."""

    label: int
    mask: np.ndarray

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Tight box of the visible part, x0 y0 x1 y1, end exclusive."""
        ys, xs = np.where(self.mask)
        return (
            int(xs.min()),
            int(ys.min()),
            int(xs.max()) + 1,
            int(ys.max()) + 1,
        )


def scene_rng(seed: int, split: str, index: int) -> np.random.Generator:
    """The one source of randomness of one scene."""
    return np.random.default_rng([seed, zlib.crc32(split.encode()), index])


class Canvas:
    """A picture under construction.

    Args:
        background: (H, W, 3) uint8.
        cover: Largest share of an object that later ones may hide.
    """

    def __init__(self, background: np.ndarray, cover: float) -> None:
        self.image = Image.fromarray(background)
        self.cover = cover
        self.labels: list[int] = []
        self._masks: list[np.ndarray] = []
        self._areas: list[int] = []

    def place(
        self,
        sprite: Image.Image,
        label: int,
        rng: np.random.Generator,
        overhang: float = 0.0,
    ) -> bool:
        """Paste a sprite at a free place; False if none was found.

        Args:
            sprite: RGBA.
            label: Class index, kept with the mask.
            rng: Source of all randomness.
            overhang: Share of the sprite that may stick out of the canvas.
        """
        opaque = np.asarray(sprite.getchannel('A')) > 127
        out_x, out_y = (round(s * overhang) for s in sprite.size)
        for _ in range(TRIES):
            x = _between(rng, -out_x, self.image.width - sprite.width + out_x)
            y = _between(
                rng, -out_y, self.image.height - sprite.height + out_y
            )
            mask = self._on_canvas(opaque, x, y)
            if mask.any() and self._may_cover(mask):
                break
        else:
            return False
        self.image.paste(sprite, (x, y), sprite)
        self._masks = [m & ~mask for m in self._masks] + [mask]
        self._areas.append(int(mask.sum()))
        self.labels.append(label)
        return True

    def _on_canvas(self, opaque: np.ndarray, x: int, y: int) -> np.ndarray:
        height, width = self.image.height, self.image.width
        mask = np.zeros((height, width), bool)
        x0, y0 = max(x, 0), max(y, 0)
        part = opaque[y0 - y : height - y, x0 - x : width - x]
        mask[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]] = part
        return mask

    def _may_cover(self, mask: np.ndarray) -> bool:
        return all(
            (m & ~mask).sum() >= (1 - self.cover) * area
            for m, area in zip(self._masks, self._areas)
        )

    def finish(self) -> tuple[np.ndarray, list[Placed]]:
        """The picture (H, W, 3) uint8 and its objects, in paste order."""
        objects = [
            Placed(label, mask)
            for label, mask in zip(self.labels, self._masks)
        ]
        return np.asarray(self.image), objects


def _between(rng: np.random.Generator, low: int, high: int) -> int:
    low, high = min(low, high), max(low, high)
    return int(rng.integers(low, high + 1))


def pick(groups: dict[int, list[Sprite]], rng: np.random.Generator) -> Sprite:
    """A sprite of a random class: classes, not sprites, are equally likely."""
    labels = sorted(groups)
    group = groups[labels[rng.integers(len(labels))]]
    return group[rng.integers(len(group))]


def compose(
    pack: SpritePack,
    groups: list[dict[int, list[Sprite]]],
    recipe: Recipe,
    rng: np.random.Generator,
) -> tuple[np.ndarray, list[Placed]]:
    """Make one scene.

    Args:
        pack: Gives the background photographs.
        groups: Sprites by label, one dict for each of ``recipe.sprites``;
            the first object comes from the first, the others from any.
        recipe: How to make it.
        rng: Source of all randomness.

    Returns:
        The picture, (canvas, canvas, 3) uint8, and its objects.
    """
    background = make_background(
        rng, recipe.canvas, recipe.backgrounds, pack.photos[recipe.backgrounds]
    )
    canvas = Canvas(background, recipe.cover)
    low, high = recipe.objects
    for i in range(int(rng.integers(low, high + 1))):
        group = groups[0 if i == 0 else int(rng.integers(len(groups)))]
        sprite = pick(group, rng)
        size = rng.uniform(*recipe.size)
        canvas.place(jitter(sprite.image, size, rng), sprite.label, rng)
    return canvas.finish()


def make_scene(
    pack: SpritePack,
    split: str,
    index: int,
    seed: int,
    photos: list[Sprite] | None = None,
) -> tuple[np.ndarray, list[Placed]]:
    """Scene number ``index`` of ``split``; see :func:`compose`.

    Args:
        photos: Photo cut-outs, wanted by split ``'val_photo'`` only.
    """
    if split not in RECIPES:
        raise ValueError(f'split is {split!r}, allowed: {sorted(RECIPES)}')
    recipe = RECIPES[split]
    if 'photo' in recipe.sprites and not photos:
        raise ValueError(
            "split 'val_photo' needs photo cut-outs, got none; "
            'fetch them with miniature.photos.fetch_photos()'
        )
    groups = [
        by_label(photos) if name == 'photo' else pack.by_class(name)
        for name in recipe.sprites
    ]
    return compose(pack, groups, recipe, scene_rng(seed, split, index))
