"""A sheet of what a data set gives: pictures, boxes, masks, names."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from torchvision.utils import make_grid

__all__ = ['DrawnSample', 'draw_samples']

#: Two tables of twenty, so that names next to each other differ.
_COLOURS = (
    matplotlib.colormaps['tab20'].colors
    + matplotlib.colormaps['tab20b'].colors
)
#: Classes of a class map that get a line of the legend.
_LEGEND = 8


class DrawnSample(NamedTuple):
    """One picture with its labels, in pixels of that picture.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        title: Above it.
        boxes: (n, 4) x0 y0 x1 y1.
        texts: n texts, one a box.
        kinds: n numbers that choose the colours.
        masks: (n, H, W) bool, or None.
        class_map: (H, W) labels, or None.
        ignored: Labels of the class map that stand for no class.
        crops: (k, c, c, 3) uint8 RGB, or None.
    """

    image: np.ndarray
    title: str
    boxes: np.ndarray
    texts: Sequence[str]
    kinds: Sequence[int]
    masks: np.ndarray | None = None
    class_map: np.ndarray | None = None
    ignored: Sequence[int] = (255,)
    crops: np.ndarray | None = None


def draw_samples(
    path: str | Path,
    samples: Sequence[DrawnSample],
    classes: Sequence[str] = (),
    columns: int = 4,
    title: str = '',
) -> None:
    """Draw samples into a PNG, row by row; crops in a cell of their own.

    Args:
        path: PNG to write.
        samples: At least one.
        classes: Names of the labels of class maps.
        columns: Cells of a row.
        title: Above everything.

    Raises:
        ValueError: There is nothing to draw, or no column for it.
    """
    if not samples or columns < 1:
        raise ValueError(
            f'got {len(samples)} samples and columns={columns}; a sheet '
            'needs one or more of each.'
        )
    cells: list[DrawnSample | np.ndarray] = []
    for sample in samples:
        cells.append(sample)
        if sample.crops is not None and len(sample.crops):
            cells.append(sample.crops)
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    size = 4.2 * columns, 3.6 * rows + 0.4
    figure = Figure(figsize=size, dpi=100, layout='compressed')
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.axis('off')
    for axis, cell in zip(axes, cells):
        if isinstance(cell, DrawnSample):
            _draw(axis, cell, classes)
        else:
            axis.imshow(_contact(cell))
            axis.set_title(f'{len(cell)} crops', fontsize=8)
    figure.suptitle(title, fontsize=10)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _draw(axis, sample: DrawnSample, classes: Sequence[str]) -> None:
    mixed = sample.image.astype(np.float32) / 255
    masks: list[tuple[int, np.ndarray]] = []
    if sample.masks is not None:
        masks += zip(sample.kinds, sample.masks)
    if sample.class_map is not None:
        found = np.unique(sample.class_map)
        found = [k for k in found.tolist() if k not in sample.ignored]
        masks += [(label, sample.class_map == label) for label in found]
        _legend(axis, sample.class_map, found, classes)
    for kind, mask in masks:
        mixed[mask] = (mixed[mask] + _colour(kind)) / 2
    axis.imshow(mixed)
    axis.set_title(sample.title, fontsize=8)
    for box, text, kind in zip(sample.boxes, sample.texts, sample.kinds):
        x0, y0, x1, y1 = box
        colour = _colour(kind)
        axis.add_patch(
            Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec=colour)
        )
        if text:
            style = dict(fontsize=5.5, color='white', va='top', clip_on=True)
            ground = dict(facecolor=colour, edgecolor='none', pad=0.6)
            axis.text(x0, y0, text, bbox=ground, **style)


def _colour(kind: int) -> tuple[float, float, float]:
    return _COLOURS[kind % len(_COLOURS)]


def _legend(axis, labels, found: list[int], classes: Sequence[str]) -> None:
    """Names of the classes with most pixels."""
    found = sorted(found, key=lambda k: -np.count_nonzero(labels == k))
    names = dict(enumerate(classes))
    handles = [
        Patch(color=_colour(k), label=names.get(k, f'label {k}'))
        for k in found[:_LEGEND]
    ]
    if len(found) > _LEGEND:
        more = f'{len(found) - _LEGEND} more'
        handles.append(Patch(color='white', label=more))
    if handles:
        axis.legend(handles=handles, fontsize=5.5, loc='lower right')


def _contact(crops: np.ndarray) -> np.ndarray:
    """(k, c, c, 3) -> a square of crops with white lines between them."""
    count, side = crops.shape[:2]
    sheet = make_grid(
        torch.from_numpy(crops).permute(0, 3, 1, 2),
        nrow=int(np.ceil(count**0.5)),
        padding=max(1, side // 32),
        pad_value=255,
    )
    return sheet.permute(1, 2, 0).numpy()
