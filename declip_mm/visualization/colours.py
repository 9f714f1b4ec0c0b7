"""Colours of classes."""

import colorsys
from collections.abc import Sequence

__all__ = ['BACKGROUND_COLOUR', 'NO_CLASS_COLOUR', 'class_palette']

Colour = tuple[int, int, int]

#: Of a class called background, and of pixels without any class.
BACKGROUND_COLOUR = (60, 60, 60)
NO_CLASS_COLOUR = (0, 0, 0)


def class_palette(names: Sequence[str]) -> list[Colour]:
    """A colour (R, G, B) for each class, always the same.

    Hues go round in steps of the golden angle, so that classes next to each
    other in a list differ most; brightness alternates among three values.
    """
    golden = (5**0.5 - 1) / 2
    values = (0.95, 0.75, 0.55)
    palette = []
    for index, name in enumerate(names):
        if name == 'background':
            palette.append(BACKGROUND_COLOUR)
            continue
        hue = (0.02 + index * golden) % 1
        rgb = colorsys.hsv_to_rgb(hue, 0.85, values[index % 3])
        palette.append(tuple(round(255 * part) for part in rgb))
    return palette
