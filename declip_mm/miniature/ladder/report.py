"""Means, intervals, the markdown table and the json of a ladder."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

#: Box mAcc and mIoU on known sprites in the feasibility run: another world,
#: another CLIP (its first blocks were the VFM's), 300 steps.
FEASIBILITY = {
    'original': '10.2 / 6.1',
    'original-qq': '22.7 / 18.1',
    'self-distillation': '33.8 / 21.9',
    'coupled': '25.2 / 15.4',
    'decoupled-no-vfm': '39.7 / 23.0',
    'decoupled': '42.5 / 25.8',
}

#: Tables with all rows that Table 1 speaks of.
TABLES_1 = ('1', '1-deep')

_METRICS = dict(
    region_macc='box', mask_macc='mask', miou='mIoU', image_macc='image'
)
#: Key of a cell -> its heading, in all tables of the ladder.
HEAD = {
    'name': 'row',
    **{
        prefix + metric: f'{split} {text}'
        for split, prefix in (
            ('known', ''),
            ('held out', 'heldout_'),
            ('photo', 'photo_'),
            ('unseen', 'unseen_'),
        )
        for metric, text in _METRICS.items()
    },
    'beside': 'feasibility run: box / mIoU',
}


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
        from scipy.stats import t as student

        variance = sum((v - mean) ** 2 for v in values) / (count - 1)
        half = float(student.ppf(0.975, count - 1))
        half *= math.sqrt(variance / count)
    return dict(mean=mean, ci95=half, values=list(values))


def summarise(
    found: Sequence[Mapping[str, Mapping[str, float]]],
    splits: Mapping[str, str],
    trained: bool,
    names: Mapping[str, str] | None = None,
) -> dict[str, dict]:
    """Intervals of a row.

    Args:
        found: Split -> metric -> value, of every seed.
        splits: Split -> what its columns begin with.
        trained: See :func:`interval`.
        names: Metric -> the rest of its column's name; None takes all, by
            their own.
    """
    return {
        prefix + column: interval([f[split][name] for f in found], trained)
        for split, prefix in splits.items()
        for name, column in (names or {n: n for n in found[0][split]}).items()
    }


def show(cell: Any) -> str:
    """What a table says of an interval, numbers or a text."""
    if cell is None:
        return '-'
    if isinstance(cell, list):
        return ' / '.join(f'{value:g}' for value in cell)
    if isinstance(cell, float):
        return f'{cell:.1f}'
    if not isinstance(cell, dict):
        return str(cell)
    half = cell['ci95']
    return f'{cell["mean"]:.1f}' + (f' ± {half:.1f}' if half else '')


def table(head: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> str:
    """A markdown table.

    Args:
        head: Key of a cell -> its heading; keys that no row has are left
            out.
        rows: Cells by their keys.
    """
    keys = [key for key in head if any(key in row for row in rows)]
    lines = [[head[key] for key in keys], ['---'] * len(keys)]
    lines += [[show(row.get(key)) for key in keys] for row in rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


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
