"""Accuracy against resolution (paper, figure 6)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

__all__ = ['SWEEP_PANELS', 'draw_sweep', 'sweep_table']

#: Metric -> heading of its panel, in the paper's order.
SWEEP_PANELS = {
    'region/box_thing_macc': 'boxes, things',
    'region/mask_thing_macc': 'masks, things',
    'region/mask_stuff_macc': 'masks, stuff',
}

#: Label -> image side in pixels -> metrics.
Curves = Mapping[str, Mapping[int, Mapping[str, float]]]

_MARKERS = 'osD^vP*X'


def _panels(curves: Curves) -> dict[str, str]:
    """The panels that some point has a value for."""
    points = [p for curve in curves.values() for p in curve.values()]
    return {
        key: title
        for key, title in SWEEP_PANELS.items()
        if any(key in point for point in points)
    }


def draw_sweep(curves: Curves, path: str, title: str = '') -> None:
    """Draw one panel a measure and one line a label into a PNG.

    Args:
        curves: Percentages; a point that lacks a measure is left out of its
            line, a measure that no point has loses its panel.
        path: PNG to write.
        title: Above everything.

    Raises:
        ValueError: No point has any of the measures.
    """
    panels = _panels(curves)
    if not panels:
        raise ValueError(
            f'nothing to draw: no point has any of {", ".join(SWEEP_PANELS)}.'
        )
    figure = Figure(figsize=(0.6 + 3.6 * len(panels), 3.7), dpi=110)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    sizes = sorted({size for curve in curves.values() for size in curve})
    for axis, (key, heading) in zip(axes, panels.items()):
        for index, (label, curve) in enumerate(curves.items()):
            points = {
                s: curve[s][key] for s in sorted(curve) if key in curve[s]
            }
            style = dict(marker=_MARKERS[index % len(_MARKERS)], markersize=5)
            axis.plot([*points], [*points.values()], label=label, **style)
        axis.set_title(heading, fontsize=11)
        axis.set_xticks(sizes, sizes, fontsize=8, rotation=45)
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xlabel('longest side of the picture, px', fontsize=9)
        axis.grid(alpha=0.3)
        axis.tick_params(axis='y', labelsize=8)
        axis.set_ylim(bottom=0 if axis.get_ylim()[0] < 15 else None)
    axes[0].set_ylabel('mAcc, %', fontsize=9)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.suptitle(title, fontsize=11)
    figure.legend(
        handles, labels, loc='lower center', ncols=4, fontsize=9, frameon=False
    )
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def sweep_table(curves: Curves) -> tuple[list[str], list[Sequence]]:
    """Header and rows: a row for each label and measure, a column a size."""
    sizes = sorted({size for curve in curves.values() for size in curve})
    rows = [
        [label, heading] + [curve.get(size, {}).get(key) for size in sizes]
        for label, curve in curves.items()
        for key, heading in _panels(curves).items()
    ]
    return ['weights', 'regions', *map(str, sizes)], rows
