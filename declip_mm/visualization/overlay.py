"""A class map over its picture, with a legend."""

from functools import lru_cache
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .colours import NO_CLASS_COLOUR, Colour

__all__ = [
    'LegendEntry',
    'beside',
    'draw_overlay',
    'legend_of',
    'paint_labels',
]

#: Pictures whose long side is shorter are enlarged: text needs pixels.
_MIN_SIDE = 640


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
) -> List[LegendEntry]:
    """Classes that occur, the largest first; beyond ``limit`` one line."""
    found, counts = np.unique(labels, return_counts=True)
    entries = []
    for label, count in zip(found.tolist(), counts.tolist()):
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
    title: Optional[str] = None,
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
        (H', W', 3) uint8; small pictures are enlarged.
    """
    if image.shape[:2] != labels.shape:
        raise ValueError(
            f'the picture is {image.shape[:2]}, its class map '
            f'{labels.shape}; they must be of one size.'
        )
    entries = legend_of(labels, classes, palette)
    factor = max(1, round(_MIN_SIDE / max(labels.shape)))
    big = np.kron(labels, np.ones((factor, factor), labels.dtype))
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


def beside(panels: Sequence[np.ndarray]) -> np.ndarray:
    """Panels (h, w, 3) in a row, white below the lower ones."""
    height = max(panel.shape[0] for panel in panels)
    rows = [
        np.pad(
            panel,
            ((0, height - panel.shape[0]), (0, 0), (0, 0)),
            constant_values=255,
        )
        for panel in panels
    ]
    return np.concatenate(rows, axis=1)


def _edges(labels: np.ndarray, width: int) -> np.ndarray:
    """Pixels within ``width`` of another class, on one side of the edge."""
    edge = np.zeros(labels.shape, bool)
    for step in range(1, width + 1):
        edge[:-step] |= labels[:-step] != labels[step:]
        edge[:, :-step] |= labels[:, :-step] != labels[:, step:]
    return edge


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont:
    # A font that is there wherever matplotlib is.
    path = Path(matplotlib.get_data_path()) / 'fonts/ttf/DejaVuSans.ttf'
    return ImageFont.truetype(str(path), size)


def _draw_legend(
    entries: Sequence[LegendEntry], height: int, title: Optional[str]
) -> np.ndarray:
    """Swatches with name and share on white, as high as it has to be."""
    lines = len(entries) + bool(title)
    size = int(np.clip(height / (1.7 * max(lines, 16)), 11, 96))
    font, step, gap = _font(size), round(1.6 * size), round(0.7 * size)
    texts = [f'{e.name}  {_percent(e.share)}' for e in entries]
    widths = [font.getlength(t) + step + gap for t in texts]
    widths.append(font.getlength(title or ''))
    canvas = Image.new(
        'RGB',
        (round(max(widths)) + 2 * gap, max(height, lines * step + 2 * gap)),
        'white',
    )
    draw, top = ImageDraw.Draw(canvas), gap
    if title:
        draw.text((gap, top), title, fill='black', font=font)
        top += step
    for entry, text in zip(entries, texts):
        box = (gap, top, gap + step - 4, top + size)
        draw.rectangle(box, fill=tuple(entry.colour), outline='black')
        draw.text((gap + step + gap // 2, top - 1), text, 'black', font)
        top += step
    return np.asarray(canvas)


def _percent(share: float) -> str:
    return f'{100 * share:.0f} %' if share >= 0.01 else '< 1 %'
