"""Means, intervals, the markdown table and the json of a ladder."""

import math
from collections.abc import Sequence

#: Box mAcc and mIoU on known sprites in the feasibility run: another world,
#: another CLIP (its first blocks were the VFM's), 300 steps.
FEASIBILITY = {
    'original': (10.2, 6.1),
    'original-qq': (22.7, 18.1),
    'self-distillation': (33.8, 21.9),
    'coupled': (25.2, 15.4),
    'decoupled-no-vfm': (39.7, 23.0),
    'decoupled': (42.5, 25.8),
}

#: Tables with all rows that Table 1 speaks of.
TABLES_1 = ('1', '1-deep')

HEADINGS = dict(
    region_macc='box', mask_macc='mask', miou='mIoU', image_macc='image'
)


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


def show(cell: dict | None) -> str:
    if cell is None:
        return '-'
    if not cell['ci95']:
        return f'{cell["mean"]:.1f}'
    return f'{cell["mean"]:.1f} ± {cell["ci95"]:.1f}'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table of cells that are texts."""
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def heading(column: str) -> str:
    """``heldout_region_macc`` -> ``held out box``."""
    for name, text in HEADINGS.items():
        if column.endswith(name):
            part = column[: -len(name)].rstrip('_')
            return f'{part or "known"} {text}'.replace('heldout', 'held out')
    return column


def markdown(rows: list[dict], feasibility: bool = False) -> str:
    """The rows of ``as_rows`` as a table, one line each.

    Args:
        rows: Finished rows.
        feasibility: Print the feasibility run's figures beside.
    """
    names = [k for k in rows[0] if k != 'name'] if rows else []
    head = ['row', *map(heading, names)]
    head += ['feasibility run: box / mIoU'] * feasibility
    lines = []
    for row in rows:
        cells = [row['name'], *(show(row.get(name)) for name in names)]
        if feasibility:
            box, iou = FEASIBILITY.get(row['name'], ('-', '-'))
            cells.append(f'{box} / {iou}')
        lines.append(cells)
    return table(head, lines)


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
