"""Memory and time of the context loss against the number of tokens.

    python benchmarks/context_memory.py --out benchmarks/context_memory

Forward and backward of the package's loss and of the plain one, which holds
the N x N matrices, in one run; writes OUT.md, OUT.json and OUT.png. Memory is
what the tensors on the CPU add at their peak, counted through PyTorch's
profiler, so it does not depend on the machine. Time is a ratio: of the plain
loss, and of chunks of rows that the backward pass computes once more (how the
package did it before), over the package's; medians of interleaved runs.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CLONE = Path(__file__).resolve().parents[1]
if (CLONE / 'declip_mm' / '__init__.py').is_file():
    sys.path.insert(0, str(CLONE))

from declip_mm.benchmark.clock import interleaved, peak_bytes  # noqa: E402
from declip_mm.models.losses import context_loss  # noqa: E402

CPU = torch.device('cpu')

GRIDS = (16, 24, 32, 35, 40, 48, 64, 80)
WIDTH = 768


def plain_context_loss(context: list[Tensor], teacher: Tensor) -> Tensor:
    """The definition (DeCLIP, eq. 8-9), all rows at once."""
    ours = sum(
        unit @ unit.transpose(1, 2)
        for unit in (F.normalize(t, dim=-1) for t in context)
    )
    unit = F.normalize(teacher, dim=-1)
    difference = ours / len(context) - unit @ unit.transpose(1, 2)
    return torch.linalg.vector_norm(difference, dim=-1).mean()


def recomputed_context_loss(
    context: list[Tensor], teacher: Tensor, chunk: int
) -> Tensor:
    """The same in chunks of rows, which the backward pass makes anew."""

    def rows(start: int, *units: Tensor) -> Tensor:
        part = slice(start, start + chunk)
        ours = sum(u[:, part] @ u.transpose(1, 2) for u in units) / len(units)
        difference = ours - unit[:, part] @ unit.transpose(1, 2)
        return torch.linalg.vector_norm(difference, dim=-1)

    unit = F.normalize(teacher, dim=-1)
    units = [F.normalize(t, dim=-1) for t in context]
    return torch.cat(
        [
            checkpoint(rows, start, *units, use_reentrant=False)
            for start in range(0, teacher.shape[1], chunk)
        ],
        dim=1,
    ).mean()


def backward(loss: Callable[[], Tensor]) -> None:
    loss().backward()


def measure(
    grid: int, chunk: int, tensors: int, repeats: int, width: int = WIDTH
) -> dict[str, float]:
    """The losses on the same random tokens, qq (one tensor) or csa (two)."""
    generator = torch.Generator().manual_seed(grid)
    tokens = grid * grid

    def noise() -> Tensor:
        return torch.randn(1, tokens, width, generator=generator)

    context = [noise().requires_grad_() for _ in range(tensors)]
    teacher = noise()
    gradients, values, peaks = [], [], []
    losses = [
        lambda: context_loss(context, teacher, chunk=chunk),
        lambda: plain_context_loss(context, teacher),
        lambda: recomputed_context_loss(context, teacher, chunk),
    ]
    for loss in losses[:2]:
        peaks.append(peak_bytes(partial(backward, loss), CPU) / 2**20)
        gradients.append(context[0].grad.clone())
        values.append(loss().item())
        for tensor in context:
            tensor.grad = None
    error = (gradients[0] - gradients[1]).abs().max()
    work = {str(i): partial(backward, loss) for i, loss in enumerate(losses)}
    ours, plain, recomputed = (
        statistics.median(each)
        for each in interleaved(work, CPU, repeats).values()
    )
    return dict(
        affinity=('qq', 'csa')[tensors - 1],
        tokens=tokens,
        time_plain=plain / ours,
        time_recomputed=recomputed / ours,
        chunked_mib=peaks[0],
        plain_mib=peaks[1],
        ratio=peaks[1] / peaks[0],
        value_error=abs(values[0] - values[1]),
        gradient_error=float(error / gradients[1].abs().max()),
    )


def table(rows: list[dict[str, float]], chunk: int) -> str:
    head = (
        f'Context loss (width {WIDTH}, float32, one picture), forward and '
        f'backward, {chunk} rows at a time.\n\n'
        '| affinity | tokens | MiB | plain MiB | plain / ours | time: plain / '
        'ours | time: recomputed / ours | relative gradient error |\n'
        '|---|---|---|---|---|---|---|---|\n'
    )
    return head + ''.join(
        f'| {r["affinity"]} | {r["tokens"]} | {r["chunked_mib"]:.1f} | '
        f'{r["plain_mib"]:.1f} | {r["ratio"]:.2f} | {r["time_plain"]:.2f} | '
        f'{r["time_recomputed"]:.2f} | {r["gradient_error"]:.1e} |\n'
        for r in rows
    )


def draw(rows: list[dict[str, float]], path: str) -> None:
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout='constrained')
    for affinity, mark in (('qq', 'o'), ('csa', 's')):
        own = [r for r in rows if r['affinity'] == affinity]
        tokens = [r['tokens'] for r in own]
        for key, line, label in (
            ('plain_mib', '--', 'plain'),
            ('chunked_mib', '-', 'ours'),
        ):
            values = [r[key] for r in own]
            axes.plot(
                tokens, values, mark + line, label=f'{label}, {affinity}'
            )
    axes.set(
        xlabel='patch tokens N',
        ylabel='peak memory (MiB)',
        title='Context loss, forward and backward',
        ylim=(0, None),
    )
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main(args: list | None = None) -> int:
    parser = argparse.ArgumentParser(description='Context loss memory')
    parser.add_argument('--out', required=True, help='path without a suffix')
    parser.add_argument('--grids', type=int, nargs='+', default=GRIDS)
    parser.add_argument('--chunk', type=int, default=1024)
    parser.add_argument('--repeats', type=int, default=5)
    options = parser.parse_args(args)
    rows = [
        measure(grid, options.chunk, tensors, options.repeats)
        for tensors in (1, 2)
        for grid in options.grids
    ]
    text = table(rows, options.chunk)
    out = Path(options.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix('.md').write_text(text, 'utf-8')
    content = dict(chunk=options.chunk, width=WIDTH, rows=rows)
    out.with_suffix('.json').write_text(json.dumps(content, indent=1))
    draw(rows, str(out.with_suffix('.png')))
    print(text)
    return 0


if __name__ == '__main__':
    sys.exit(main())
