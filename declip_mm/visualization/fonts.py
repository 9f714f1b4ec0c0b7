"""Fonts that have the letters of class names in any language."""

import logging
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path

import matplotlib
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from mmengine.logging import print_log
from PIL import ImageDraw, ImageFont

__all__ = ['TextWriter', 'families_for', 'warn_of_missing_glyphs']

#: What only joins or varies the letter before it.
_JOINERS = frozenset([0x200C, 0x200D, 0xFE0E, 0xFE0F])
#: Looked at first: they have many scripts.
_LIKELY = ('cjk', 'unifont', 'wqy', 'noto', 'emoji', 'dejavu')


def warn_of_missing_glyphs(names: Sequence[str]) -> list[str]:
    """Names that no font here can write; one warning for all of them.

    Returns:
        The names, in the order given. They are drawn with ``?`` in the place
        of each letter that is missing.
    """
    bad = [n for n in dict.fromkeys(names) if _missing(n)]
    new = [name for name in bad if name not in _WARNED]
    _WARNED.update(new)
    if new:
        print_log(
            f'no font here has all letters of {len(new)} names, which are '
            f'drawn with question marks: {", ".join(new[:8])}'
            f'{" ..." * (len(new) > 8)}. Install one, such as Noto '
            '(Debian: apt-get install fonts-noto-cjk); results.json and '
            'json files have the right names.',
            'current',
            level=logging.WARNING,
        )
    return bad


_WARNED: set = set()


def families_for(names: Sequence[str]) -> list[str]:
    """Font families for matplotlib, the first with a letter draws it."""
    found = [_DEFAULT, *map(_font_with, ''.join(names))]
    families = {}
    for path in filter(None, dict.fromkeys(found)):
        font_manager.fontManager.addfont(path)
        families[_open(path).family_name] = None
    return list(families)


class TextWriter:
    """Writes a line with Pillow, each letter in a font that has it.

    Args:
        size: Of the letters, in pixels.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def length(self, text: str) -> float:
        """Width in pixels."""
        return sum(font.getlength(part) for font, part in self._runs(text))

    def write(
        self, draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str
    ) -> None:
        """Black letters, ``place`` being the left upper corner."""
        x, y = place
        base = y + _pil(_DEFAULT, self.size).getmetrics()[0]
        for font, part in self._runs(text):
            draw.text((x, base), part, 'black', font, anchor='ls')
            x += font.getlength(part)

    def _runs(self, text: str) -> Iterator[tuple]:
        """(font, letters of one font), in order."""
        run, used = '', _DEFAULT
        for letter in text:
            if letter.isspace() or ord(letter) in _JOINERS:
                run += letter * (ord(letter) not in _JOINERS)
                continue
            path = _font_with(letter)
            if path is None:
                letter, path = '?', _DEFAULT
            if path != used and run:
                yield _pil(used, self.size), run
                run = ''
            used = path
            run += letter
        if run:
            yield _pil(used, self.size), run


#: A font that is there wherever matplotlib is.
_DEFAULT = str(
    Path(matplotlib.get_data_path()) / 'fonts' / 'ttf' / 'DejaVuSans.ttf'
)


def _missing(text: str) -> bool:
    """Whether some letter is in no font."""
    drawn = [c for c in text if not c.isspace() and ord(c) not in _JOINERS]
    return None in map(_font_with, drawn)


@lru_cache(maxsize=4096)
def _font_with(letter: str) -> str | None:
    """File of the first font that has a letter; None if there is none."""
    paths = (_DEFAULT, *_system_fonts())
    return next((p for p in paths if ord(letter) in _letters(p)), None)


@lru_cache(maxsize=1)
def _system_fonts() -> tuple[str, ...]:
    """Fonts of the machine, the likely ones first."""
    found = font_manager.findSystemFonts()

    def rank(path: str) -> tuple:
        name = Path(path).name.lower()
        likely = [i for i, part in enumerate(_LIKELY) if part in name]
        regular = 'regular' in name or 'medium' in name
        return min(likely, default=len(_LIKELY)), not regular, path

    return tuple(sorted(found, key=rank))


@cache
def _letters(path: str) -> frozenset[int]:
    """Code points that a font can draw in any size."""
    try:
        font = _open(path)
        _pil(path, 16)  # colour emoji of one fixed size are refused here
    # a damaged or strange font is a font that has nothing
    except (OSError, RuntimeError, ValueError):
        return frozenset()
    return frozenset(font.get_charmap())


@cache
def _open(path: str) -> FT2Font:
    return FT2Font(path)


@lru_cache(maxsize=64)
def _pil(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)
