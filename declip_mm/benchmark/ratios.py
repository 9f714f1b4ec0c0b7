"""From seconds and bytes of one run to ratios, a table and a plot."""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ['draw', 'ratios', 'step_ratios', 'table', 'utilisation']

_STEPS = ('reference', 'first', 'cached', 'floor')


def _over(cell: Mapping, above: str, below: str) -> float:
    """Ratio of two medians."""
    times = cell['seconds']
    return statistics.median(times[above]) / statistics.median(times[below])


def _memory(cell: Mapping, above: str, below: str) -> float:
    return cell['bytes'][above] / cell['bytes'][below]


def utilisation(cell: Mapping, step: str) -> float:
    """Share of the device's rate that the networks' operations take up."""
    took = statistics.median(cell['seconds'][step])
    return cell['operations'][step] / took / cell['rate']


def step_ratios(cell: Mapping) -> dict[str, float]:
    """Of a cell of a step."""
    found = dict(
        step_first_epoch=_over(cell, 'reference', 'first'),
        first_over_passes=_over(cell, 'first', 'passes'),
        step_cached=_over(cell, 'reference', 'cached'),
        step_over_floor=_over(cell, 'cached', 'floor'),
    )
    if cell['bytes']:
        found['step_memory'] = _memory(cell, 'cached', 'reference')
    found['utilisation'] = utilisation(cell, 'first')
    found['utilisation_cached'] = utilisation(cell, 'cached')
    return found


def ratios(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Every ratio of a record; those without a size are of the first step.

    Speed is the reference's time over ours; ``first_over_passes`` and
    ``step_over_floor`` are ours over the bare passes; memory is ours over
    the reference's.
    """
    found: dict[str, Any] = {}
    steps = {
        name: step_ratios(cell)
        for name, cell in cells.items()
        if name.startswith('step ') and 'seconds' in cell
    }
    if steps:
        found.update(next(iter(steps.values())), steps=steps)
    dense = cells.get('dense 1024')
    if dense and 'seconds' in dense:
        found['dense_1024'] = _over(dense, 'reference', 'ours')
        found['dense_1024_memory'] = _memory(dense, 'ours', 'reference')
    for name in ('data', 'segment_windows'):
        cell = cells.get(name)
        if cell:
            found[name] = cell['ratio']
    return found


def table(cells: Mapping[str, Any]) -> str:
    """Markdown: steps, their parts, dense maps."""
    lines = [
        '| step | tokens | precision | reference | first epoch | cached | '
        'floor | first / passes | cached / floor | memory: reference, ours, '
        'cached | utilisation: first, cached |',
        '|' + '---|' * 11,
    ]
    dense = [
        '| dense map | tokens | reference | ours | speed | memory: '
        'reference, ours | bytes a token |',
        '|' + '---|' * 7,
    ]
    parts = ['| step | part | seconds | share |', '|---|---|---|---|']
    for name, cell in cells.items():
        kind, _, what = name.partition(' ')
        if 'failed' in cell:
            lines.append(f'| {name} | {cell["failed"]} |' + ' |' * 9)
        elif kind == 'step':
            lines.append(_step_line(what, cell))
            whole = cell['parts']['all']
            parts += [
                f'| {what} | {part} | {took:.4f} | {took / whole:.0%} |'
                for part, took in cell['parts'].items()
            ]
        elif kind == 'dense':
            dense.append(_dense_line(what, cell))
    loaders = [
        '| loader | ms of processor time a picture | reference / this |',
        '|---|---|---|',
    ]
    for name, took in cells.get('data', {}).get('milliseconds', {}).items():
        ratio = cells['data']['ratios'].get(name, 1.0)
        loaders.append(f'| {name} | {took:.2f} | {ratio:.2f} |')
    tables = (lines, dense, parts, loaders)
    shown = [part for part in tables if len(part) > 2]
    return '\n\n'.join('\n'.join(part) for part in shown)


def _seconds(cell: Mapping, name: str) -> str:
    return f'{statistics.median(cell["seconds"][name]):.4g} s'


def _mib(cell: Mapping, name: str) -> str:
    return f'{cell["bytes"][name] / 2**20:.0f}'


def _step_line(what: str, cell: Mapping) -> str:
    found = step_ratios(cell)
    speed = {
        name: f'{_seconds(cell, name)} ({_over(cell, "reference", name):.2f}x)'
        for name in ('first', 'cached', 'floor')
    }
    memory = 'not measured'
    if cell['bytes']:
        kinds = ('reference', 'first', 'cached')
        memory = f'{", ".join(_mib(cell, name) for name in kinds)} MiB'
    shares = found['utilisation'], found['utilisation_cached']
    return (
        f'| {what} | {cell["tokens"]} | {cell["precision"]} | '
        f'{_seconds(cell, "reference")} | {speed["first"]} | '
        f'{speed["cached"]} | {speed["floor"]} | '
        f'{found["first_over_passes"]:.2f} | {found["step_over_floor"]:.2f} | '
        f'{memory} | {shares[0]:.0%}, {shares[1]:.0%} |'
    )


def _dense_line(what: str, cell: Mapping) -> str:
    return (
        f'| {what} | {cell["tokens"]} | {_seconds(cell, "reference")} | '
        f'{_seconds(cell, "ours")} | {_over(cell, "reference", "ours"):.2f}x '
        f'| {_mib(cell, "reference")}, {_mib(cell, "ours")} MiB | '
        f'{cell["bytes"]["ours"] / cell["tokens"]:.0f} |'
    )


def draw(cells: Mapping[str, Any], path: Path, title: str) -> None:
    """Cost against tokens: a step, its memory, a dense map."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4), layout='constrained')
    for axis, kind, what, names in (
        (axes[0], 'step', 'seconds', _STEPS),
        (axes[1], 'step', 'bytes', _STEPS),
        (axes[2], 'dense', 'seconds', ('reference', 'ours')),
    ):
        for name in names:
            points = _curve(cells, kind, what, name)
            axis.plot(*zip(*points), 'o-', label=name) if points else None
        axis.set(
            xscale='log',
            yscale='log',
            xlabel='patch tokens of a picture',
            ylabel='GiB at the peak' if what == 'bytes' else f'{what}',
            title=dict(step='training step', dense='dense map')[kind],
        )
        axis.grid(alpha=0.3, which='both')
        axis.legend()
    figure.suptitle(title)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _curve(
    cells: Mapping[str, Any], kind: str, what: str, name: str
) -> list[tuple[float, float]]:
    """(tokens, cost) of one picture a step."""
    points = []
    for key, cell in cells.items():
        alone = kind == 'dense' or key.endswith('x1')
        if key.startswith(f'{kind} ') and alone and name in cell.get(what, {}):
            value = cell[what][name]
            cost = (
                value / 2**30 if what == 'bytes' else statistics.median(value)
            )
            points.append((cell['tokens'], cost))
    return sorted(points)
