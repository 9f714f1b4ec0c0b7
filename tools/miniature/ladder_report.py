"""Means, intervals, the markdown table and the json of a ladder."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ladder_tables import FEASIBILITY

HEADINGS = dict(
    region_macc='box', mask_macc='mask', miou='mIoU', image_macc='image'
)


def t_quantile(freedom: int, level: float = 0.95) -> float:
    """Two-sided quantile of Student's t: half an interval in standard errors.

    By Simpson's rule and bisection; 4.303 for two degrees of freedom.
    """
    if freedom < 1:
        raise ValueError(f'freedom must be 1 or more, got {freedom}.')
    scale = math.exp(
        math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    ) / math.sqrt(freedom * math.pi)

    def inside(end: float, steps: int = 2000) -> float:
        def density(x: float) -> float:
            return scale * (1 + x * x / freedom) ** (-(freedom + 1) / 2)

        width = end / steps
        inner = sum(
            (4 if i % 2 else 2) * density(i * width) for i in range(1, steps)
        )
        return 2 * width / 3 * (density(0.0) + inner + density(end))

    low, high = 0.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if inside(middle) < level else (low, middle)
    return (low + high) / 2


def interval(values: Sequence[float], trained: bool) -> dict:
    """Mean and half width of the 95 % interval of the mean over seeds.

    Half a width of 0 says that nothing is random (no training); None that
    one seed cannot tell.
    """
    count = len(values)
    mean = sum(values) / count
    if not trained:
        half = 0.0
    elif count < 2:
        half = None
    else:
        variance = sum((v - mean) ** 2 for v in values) / (count - 1)
        half = t_quantile(count - 1) * math.sqrt(variance / count)
    return dict(mean=mean, ci95=half, values=list(values))


def show(cell: dict | None) -> str:
    if cell is None:
        return '-'
    if not cell['ci95']:
        return f'{cell["mean"]:.1f}'
    return f'{cell["mean"]:.1f} ± {cell["ci95"]:.1f}'


def heading(column: str) -> str:
    """``heldout_region_macc`` -> ``held out box``."""
    for name, text in HEADINGS.items():
        if column.endswith(name):
            part = column[: -len(name)].rstrip('_')
            return f'{part or "known"} {text}'.replace('heldout', 'held out')
    return column


def markdown(rows: list[dict], table: str) -> str:
    """The rows of :func:`as_rows` as a table, one line each."""
    names = [k for k in rows[0] if k != 'name'] if rows else []
    beside = table == '1'
    head = ['row', *map(heading, names)]
    head += ['feasibility run: box / mIoU'] * beside
    lines = [head, ['---'] * len(head)]
    for row in rows:
        cells = [row['name'], *(show(row.get(name)) for name in names)]
        if beside:
            box, iou = FEASIBILITY.get(row['name'], ('-', '-'))
            cells.append(f'{box} / {iou}')
        lines.append(cells)
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines)


def clashes(rows: list[dict]) -> list[str]:
    """Which of Table 1's claims do not hold with disjoint intervals."""
    by_name = {row['name']: row for row in rows}
    found = []
    for other in ('original', 'coupled'):
        for metric in ('region_macc', 'miou'):
            ours, theirs = (
                by_name[name][metric] for name in ('decoupled', other)
            )
            if None in (ours['ci95'], theirs['ci95']):
                found.append(f'{metric}: one seed has no interval')
            elif (
                ours['mean'] - ours['ci95'] <= theirs['mean'] + theirs['ci95']
            ):
                found.append(
                    f'{metric}: decoupled {show(ours)} is not above {other} '
                    f'{show(theirs)}'
                )
    return found
