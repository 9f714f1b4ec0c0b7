"""A class map over its picture, with a legend."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from .colours import NO_CLASS_COLOUR, Colour
from .fonts import TextWriter, warn_of_missing_glyphs

__all__ = [
    'LegendEntry',
    'beside',
    'draw_overlay',
    'legend_of',
    'paint_labels',
]

#: Pictures whose long side is shorter are enlarged: text needs pixels.
_MIN_SIDE = 640
#: Those whose long side is longer are drawn smaller; maps are not.
_MAX_SIDE = 2048
#: Rows that are counted or painted at a time.
_ROWS = 256


class LegendEntry(NamedTuple):
    """A line of the legend.

    Attributes:
        name: Class name, or what stands for pixels without one.
        colour: (R, G, B).
        share: Part of the picture, 0 to 1.
    """

    name: str
    colour: Colour
    share: float


def legend_of(
    labels: np.ndarray,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    limit: int = 20,
) -> list[LegendEntry]:
    """Classes that occur, the largest first; beyond ``limit`` one line."""
    total: Counter = Counter()
    for top in range(0, len(labels), _ROWS):  # unique sorts a copy
        part = np.unique(labels[top : top + _ROWS], return_counts=True)
        total.update(dict(zip(*(found.tolist() for found in part))))
    entries = []
    for label, count in sorted(total.items()):
        known = 0 <= label < len(classes)
        name = classes[label] if known else 'no class'
        colour = tuple(palette[label]) if known else NO_CLASS_COLOUR
        entries.append(LegendEntry(name, colour, count / labels.size))
    entries.sort(key=lambda entry: -entry.share)
    if len(entries) > limit:
        rest = entries[limit - 1 :]
        share = sum(entry.share for entry in rest)
        line = LegendEntry(f'{len(rest)} more', (255, 255, 255), share)
        entries = [*entries[: limit - 1], line]
    return entries


def paint_labels(
    labels: np.ndarray, palette: Sequence[Sequence[int]]
) -> np.ndarray:
    """Class map (H, W) -> colours (H, W, 3) uint8; no class is black."""
    table = np.array([*palette, NO_CLASS_COLOUR], np.uint8)
    inside = (labels >= 0) & (labels < len(palette))
    return table[np.where(inside, labels, len(palette))]


def draw_overlay(
    image: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    *,
    alpha: float = 0.55,
    title: str | None = None,
    legend: bool = True,
    with_input: bool = False,
) -> np.ndarray:
    """The picture under its classes, outlined, with a legend beside it.

    Args:
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) class indices; what is no class stays black.
        classes: Names.
        palette: Colour (R, G, B) of each.
        alpha: How much the colours cover.
        title: Above the legend.
        legend: Whether to draw one.
        with_input: Whether to put the bare picture left of it.

    Returns:
        (H', W', 3) uint8; small pictures are enlarged, and a picture is
        drawn with at most 2048 pixels a side. Shares in the legend are those
        of the whole class map.
    """
    if image.shape[:2] != labels.shape:
        raise ValueError(
            f'the picture is {image.shape[:2]}, its class map '
            f'{labels.shape}; they must be of one size.'
        )
    entries = legend_of(labels, classes, palette)
    big = _drawn_size(labels)
    height, width = big.shape
    picture = Image.fromarray(image).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    mixed = (1 - alpha) * np.asarray(picture, np.float32)
    mixed += alpha * paint_labels(big, palette)
    mixed[_edges(big, max(1, round(max(big.shape) / 500)))] = 255
    panels = [mixed.astype(np.uint8)]
    if with_input:
        panels.insert(0, np.asarray(picture))
    if legend:
        panels.append(_draw_legend(entries, height, title))
    return beside(panels)


def _drawn_size(labels: np.ndarray) -> np.ndarray:
    """The map with its long side between the bounds; labels do not mix."""
    longest = max(labels.shape)
    if longest > _MAX_SIDE:
        rows, columns = (
            np.linspace(0, side, max(1, side * _MAX_SIDE // longest), False)
            for side in labels.shape
        )
        return labels[np.ix_(rows.astype(int), columns.astype(int))]
    factor = max(1, round(_MIN_SIDE / longest))
    return np.kron(labels, np.ones((factor, factor), labels.dtype))


def beside(panels: Sequence[np.ndarray]) -> np.ndarray:
    """Panels (h, w, 3) in a row, white below the lower ones."""
    height = max(len(panel) for panel in panels)
    rows = [
        np.pad(p, ((0, height - len(p)), (0, 0), (0, 0)), constant_values=255)
        for p in panels
    ]
    return np.concatenate(rows, axis=1)


def _edges(labels: np.ndarray, width: int) -> np.ndarray:
    """Pixels within ``width`` of another class, on one side of the edge."""
    edge = np.zeros(labels.shape, bool)
    for step in range(1, width + 1):
        edge[:-step] |= labels[:-step] != labels[step:]
        edge[:, :-step] |= labels[:, :-step] != labels[:, step:]
    return edge


def _draw_legend(
    entries: Sequence[LegendEntry], height: int, title: str | None
) -> np.ndarray:
    """Swatches with name and share on white, as high as it has to be."""
    warn_of_missing_glyphs([entry.name for entry in entries])
    lines = len(entries) + bool(title)
    size = int(np.clip(height / (1.7 * max(lines, 16)), 11, 96))
    font, step, gap = TextWriter(size), round(1.6 * size), round(0.7 * size)
    texts = [f'{e.name}  {_percent(e.share)}' for e in entries]
    widths = [font.length(t) + step + gap for t in texts]
    widths.append(font.length(title or ''))
    shape = round(max(widths)) + 2 * gap, max(height, lines * step + 2 * gap)
    canvas = Image.new('RGB', shape, 'white')
    draw, top = ImageDraw.Draw(canvas), gap
    if title:
        font.write(draw, (gap, top), title)
        top += step
    for entry, text in zip(entries, texts):
        box = (gap, top, gap + step - 4, top + size)
        draw.rectangle(box, fill=tuple(entry.colour), outline='black')
        font.write(draw, (gap + step + gap // 2, top - 1), text)
        top += step
    return np.asarray(canvas)


def _percent(share: float) -> str:
    return f'{100 * share:.0f} %' if share >= 0.01 else '< 1 %'
