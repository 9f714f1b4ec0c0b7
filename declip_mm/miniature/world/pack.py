"""The packed public-domain pictures the miniature world is made of."""

import functools
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..paths import ASSETS

LONGEST = 144  # pixels; scenes never show an object larger than 125


@dataclass(frozen=True)
class Sprite:
    """One cut-out drawing.

    Attributes:
        label: Index into :attr:`SpritePack.classes`.
        split: ``'known'``, ``'heldout'`` or ``'unseen'``.
        image: RGBA, cropped to its alpha box.
        source: Where it came from.
    """

    label: int
    split: str
    image: Image.Image
    source: str


def by_label(sprites: Iterable[Sprite]) -> dict[int, list[Sprite]]:
    groups: dict[int, list[Sprite]] = {}
    for sprite in sprites:
        groups.setdefault(sprite.label, []).append(sprite)
    return groups


class SpritePack:
    """Sprites and background photographs, checked against their hashes.

    Args:
        folder: Holds ``world.json`` and ``sprites.zip``.

    Attributes:
        classes: Class names, the unseen ones last.
        unseen: Names left out of the tiny CLIP's training altogether.
        synonyms: Further names of each class.
        sprites: All sprites in the order of ``world.json``.
        photos: Background photographs by family.

    Raises:
        ValueError: A picture's bytes are not those ``world.json`` names.
    """

    def __init__(self, folder: str | Path = ASSETS) -> None:
        folder = Path(folder)
        self.index = json.loads((folder / 'world.json').read_text())
        archive = folder / 'sprites.zip'
        self.classes = tuple(c['name'] for c in self.index['classes'])
        self.unseen = tuple(
            c['name'] for c in self.index['classes'] if c['unseen']
        )
        self.synonyms = {
            c['name']: tuple(c['synonyms']) for c in self.index['classes']
        }
        self.sprites: list[Sprite] = []
        self.photos: dict[str, list[Image.Image]] = {'train': [], 'val': []}
        with zipfile.ZipFile(archive) as pack:
            for entry in self.index['sprites']:
                image = _read(pack, entry, archive).convert('RGBA')
                self.sprites.append(
                    Sprite(
                        self.classes.index(entry['class']),
                        entry['split'],
                        image,
                        entry['source'],
                    )
                )
            for entry in self.index['backgrounds']:
                image = _read(pack, entry, archive).convert('RGB')
                self.photos[entry['split']].append(image)

    def by_class(self, split: str) -> dict[int, list[Sprite]]:
        """Sprites of one split, grouped by label."""
        return by_label(s for s in self.sprites if s.split == split)

    @property
    def sha256(self) -> str:
        """Hash over the hashes of all pictures."""
        entries = self.index['sprites'] + self.index['backgrounds']
        text = ''.join(entry['sha256'] for entry in entries)
        return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def load_pack() -> SpritePack:
    """The shipped pack, decoded once a process."""
    return SpritePack()


def _read(pack: zipfile.ZipFile, entry: dict, archive: Path) -> Image.Image:
    data = pack.read(entry['file'])
    digest = hashlib.sha256(data).hexdigest()
    if digest != entry['sha256']:
        raise ValueError(
            f'{archive}: {entry["file"]} has sha256 {digest}, world.json '
            f'says {entry["sha256"]}; restore both files from the '
            'repository or rebuild them with tools/miniature/build_pack.py'
        )
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def cut_out(picture: Image.Image) -> Image.Image:
    """Cropped to the alpha box, RGBA, and shrunk."""
    image = picture.convert('RGBA')
    ys, xs = np.where(np.asarray(image)[..., 3] > 127)
    image = image.crop((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
    image.thumbnail((LONGEST, LONGEST), Image.LANCZOS)
    return image


def jitter(
    sprite: Image.Image, size: float, rng: np.random.Generator
) -> Image.Image:
    """A randomly flipped, turned, stretched and tinted copy.

    Args:
        sprite: RGBA.
        size: Longest side of the result in pixels.
        rng: Source of all randomness.

    Returns:
        RGBA, cropped to its alpha box.
    """
    image = sprite
    if rng.random() < 0.5:
        image = image.transpose(Image.FLIP_LEFT_RIGHT)
    aspect = rng.uniform(0.85, 1.18)
    image = image.resize(
        (max(round(image.width * aspect), 2), image.height), Image.BILINEAR
    )
    image = image.rotate(rng.uniform(-20, 20), Image.BICUBIC, expand=True)
    image = image.crop(
        image.getchannel('A').point(lambda a: 255 * (a > 127)).getbbox()
    )
    scale = size / max(image.size)
    image = image.resize(
        [max(round(s * scale), 2) for s in image.size], Image.BICUBIC
    )
    pixels = np.asarray(image, np.float32).copy()
    gain, offset = rng.uniform(0.82, 1.18, 3), rng.uniform(-18, 18, 3)
    pixels[..., :3] = pixels[..., :3] * gain + offset
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
