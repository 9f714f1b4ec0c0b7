"""Sheets of maps beside the picture that they are of."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

__all__ = [
    'attention_top',
    'draw_attention',
    'draw_correlations',
    'draw_parts',
]

Point = tuple[float, float]

_HEAT = 'inferno'
_PARTS = matplotlib.colormaps['tab10'].colors


class _Sheet:
    """Rows and columns of pictures of one shape, titles above the first.

    Args:
        rows, columns: Number of cells.
        image: (H, W, 3) uint8; its proportions are those of every cell.
        title: Above everything.
        bar: Room for a colour bar on the right.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        image: np.ndarray,
        title: str = '',
        bar: bool = False,
    ) -> None:
        self.extent = (0, image.shape[1], image.shape[0], 0)
        side = 1.75 if columns > 4 else 2.2
        height = side * image.shape[0] / image.shape[1]
        width = side * columns + 0.45 + 0.75 * bar
        self.figure = Figure(
            figsize=(width, height * rows + 0.75), dpi=110, layout='compressed'
        )
        self.axes = self.figure.subplots(rows, columns, squeeze=False)
        for axis in self.axes.flat:
            axis.set(xticks=[], yticks=[])
        self.figure.suptitle(title, fontsize=10)

    def show(self, row: int, column: int, picture, **options):
        axis = self.axes[row, column]
        return axis.imshow(picture, extent=self.extent, **options)

    def mark(self, row: int, column: int, point: Point, number: int) -> None:
        x, y = point[0] * self.extent[1], point[1] * self.extent[2]
        axis = self.axes[row, column]
        axis.plot(x, y, 'o', ms=9, mfc='none', mec='black', mew=2.6)
        axis.plot(x, y, 'o', ms=9, mfc='none', mec='white', mew=1.3)
        if number:
            axis.annotate(
                str(number),
                (x, y),
                xytext=(7, 5),
                textcoords='offset points',
                color='white',
                fontsize=9,
                fontweight='bold',
                path_effects=[withStroke(linewidth=2.2, foreground='black')],
            )

    def side(self, row: int, text: str) -> None:
        self.axes[row, 0].set_ylabel(text, fontsize=8.5)

    def bar(self, drawn, label: str) -> None:
        bar = self.figure.colorbar(
            drawn, ax=self.axes, shrink=0.85, aspect=28, pad=0.012
        )
        bar.set_label(label, fontsize=8.5)
        bar.ax.tick_params(labelsize=7.5)

    def save(self, path: str, heads: Sequence[str]) -> None:
        for axis, text in zip(self.axes[0], heads):
            axis.set_title(text, fontsize=9)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.figure.savefig(path)


def draw_correlations(
    path: str,
    image: np.ndarray,
    anchors: Sequence[Point],
    maps: dict[str, Sequence[np.ndarray]],
) -> None:
    """Correlation with each anchor, a column for each backbone (Fig. 7).

    One scale, 0 to 1, for all; what is below 0 is drawn as 0.

    Args:
        path: PNG to write.
        image: (H, W, 3) uint8.
        anchors: (x, y) in [0, 1], a row each.
        maps: Backbone -> for each anchor (h, w) cosines.
    """
    sheet = _Sheet(len(anchors), 1 + len(maps), image, bar=True)
    for row, anchor in enumerate(anchors):
        sheet.show(row, 0, image)
        sheet.mark(row, 0, anchor, row + 1)
        for column, values in enumerate(maps.values(), 1):
            drawn = sheet.show(
                row, column, values[row], cmap=_HEAT, vmin=0, vmax=1
            )
            sheet.mark(row, column, anchor, 0)
    sheet.bar(drawn, 'cosine with the anchor')
    sheet.save(path, ['picture and anchor', *maps])


def draw_attention(
    path: str,
    image: np.ndarray,
    anchors: Sequence[Point],
    layers: dict[str, Sequence[np.ndarray]],
    has_cls: bool,
    top: float,
    title: str = '',
) -> None:
    """Where CLS and the anchors look, a column for each layer (Fig. 3).

    Attention is drawn in multiples of even attention, 1 / N, on a scale of
    square roots that is common to all cells.

    Args:
        path: PNG to write.
        image: (H, W, 3) uint8.
        anchors: (x, y) in [0, 1].
        layers: Heading -> (R, h, w) attention on patches, rows being CLS,
            if there is one, and the anchors.
        has_cls: Whether the first row is CLS.
        top: End of the scale, see :func:`attention_top`.
        title: Above everything.
    """
    rows = len(anchors) + has_cls
    sheet = _Sheet(rows, 1 + len(layers), image, title, bar=True)
    even = [maps * maps[0].size for maps in layers.values()]
    scale = PowerNorm(0.5, vmin=0, vmax=top)
    for row in range(rows):
        number = row + 1 - has_cls
        sheet.show(row, 0, image)
        sheet.side(row, f'anchor {number}' if number else 'CLS')
        if number:
            sheet.mark(row, 0, anchors[number - 1], number)
        for column, maps in enumerate(even, 1):
            drawn = sheet.show(row, column, maps[row], cmap=_HEAT, norm=scale)
            if number:
                sheet.mark(row, column, anchors[number - 1], 0)
    sheet.bar(drawn, 'attention / even attention')
    sheet.save(path, ['picture', *layers])


def attention_top(layers: Sequence[np.ndarray]) -> float:
    """End of a scale that several sheets can share.

    Args:
        layers: (R, h, w) attention on patches, of all layers and backbones.

    Returns:
        99.5th percentile in multiples of even attention, 2 or more: a few
        peaks shall not darken the rest.
    """
    even = np.concatenate([(maps * maps[0].size).ravel() for maps in layers])
    return max(2.0, float(np.quantile(even, 0.995)))


def draw_parts(
    path: str,
    image: np.ndarray,
    colours: dict[str, np.ndarray],
    clusters: dict[str, np.ndarray],
) -> None:
    """Principal colours above, clusters below, a column for each backbone.

    Colours mean something within one cell alone.

    Args:
        path: PNG to write.
        image: (H, W, 3) uint8.
        colours: Backbone -> (h, w, 3) in [0, 1].
        clusters: Backbone -> (h, w) cluster numbers.
    """
    sheet = _Sheet(2, 1 + len(colours), image)
    for row, text in enumerate(('principal directions', 'k-means')):
        sheet.show(row, 0, image)
        sheet.side(row, text)
    for column, name in enumerate(colours, 1):
        sheet.show(0, column, colours[name])
        painted = np.array(_PARTS)[clusters[name] % len(_PARTS)]
        sheet.show(1, column, painted)
    sheet.save(path, ['picture', *colours])
