"""A sheet that compares backbones on a few pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

__all__ = ['SheetRow', 'draw_sheet']

_COLOURS = matplotlib.colormaps['tab20'].colors


class SheetRow(NamedTuple):
    """One picture and what every backbone makes of it.

    Attributes:
        image: uint8 (H, W, 3).
        anchor: (x, y) in [0, 1].
        truth: int (H, W) class map, 255 where nothing is scored.
        affinity: Backbone name -> (h, w) correlation with the anchor.
        labels: Backbone name -> int (H, W) class map.
    """

    image: np.ndarray
    anchor: tuple[float, float]
    truth: np.ndarray
    affinity: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]


def _paint(labels: np.ndarray, known: list[int], mask: np.ndarray):
    """Class map -> colours; classes outside ``known`` are dark."""
    canvas = np.full((*labels.shape, 3), 0.93)
    canvas[mask] = 0.25
    for index, label in enumerate(known):
        canvas[mask & (labels == label)] = _COLOURS[index % len(_COLOURS)]
    return canvas


def draw_sheet(
    rows: Sequence[SheetRow],
    names: Sequence[str],
    path: str,
    title: str = '',
) -> None:
    """Draw pictures by rows and backbones by columns into a PNG.

    A row has the input with its anchor and the true classes, then for every
    backbone the correlation with the anchor and its class map over the
    scored pixels. Colours stand for the true classes of that picture; dark
    is any other name.

    Args:
        rows: At least one.
        names: Class names.
        path: PNG to write.
        title: Above everything.
    """
    backbones = list(rows[0].affinity)
    columns = 2 + 2 * len(backbones)
    figure = Figure(figsize=(1.9 * columns, 2.3 * len(rows) + 0.8), dpi=110)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for row, line in zip(rows, axes):
        height, width = row.truth.shape
        whole = dict(extent=(0, width, height, 0))
        heat = dict(cmap='inferno', alpha=0.8, interpolation='bilinear')
        mask = row.truth != 255
        known = [int(k) for k in np.unique(row.truth[mask])]
        x, y = row.anchor[0] * width, row.anchor[1] * height
        line[0].imshow(row.image, **whole)
        line[0].plot(x, y, 'o', ms=8, mfc='red', mec='white')
        line[1].imshow(_paint(row.truth, known, mask))
        for name, left, right in zip(backbones, line[2::2], line[3::2]):
            left.imshow(row.image, **whole)
            left.imshow(row.affinity[name], **whole, **heat)
            left.plot(x, y, 'o', ms=6, mfc='none', mec='white')
            right.imshow(_paint(row.labels[name], known, mask))
        classes = [names[k] for k in known]
        line[0].set_xlabel(', '.join(classes), fontsize=7, loc='left')
        handles = [
            Patch(color=_COLOURS[i % len(_COLOURS)], label=name)
            for i, name in enumerate(classes)
        ]
        line[1].legend(handles=handles, fontsize=5, loc='upper right')
    heads = ['input, anchor', 'true classes']
    for name in backbones:
        heads += [f'{name}\ncorrelation', f'{name}\nclass map']
    for axis, head in zip(axes[0], heads):
        axis.set_title(head, fontsize=9)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    figure.suptitle(title, fontsize=11)
    figure.tight_layout()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
