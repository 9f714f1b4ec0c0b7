"""Memory of the context loss against the number of tokens.

    python benchmarks/context_memory.py --out benchmarks/context_memory

Forward and backward of the row-chunked loss and of the plain one, which
holds the N x N matrices, in one run; writes OUT.md, OUT.json and OUT.png.
Memory is what the tensors on the CPU add at their peak, counted through
PyTorch's profiler, so it does not depend on the machine.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

CLONE = Path(__file__).resolve().parents[1]
if (CLONE / 'declip_mm' / '__init__.py').is_file():
    sys.path.insert(0, str(CLONE))

from declip_mm.models.losses import context_loss  # noqa: E402

GRIDS = (16, 24, 32, 40, 48, 64, 80)
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


def peak_mib(loss: Callable[[], Tensor]) -> float:
    """Most memory that a forward and a backward pass hold, in MiB."""
    with profile(
        activities=[ProfilerActivity.CPU], profile_memory=True
    ) as record:
        loss().backward()
    held = peak = 0
    events = record.profiler.kineto_results.events()
    for event in sorted(events, key=lambda e: e.start_ns()):
        if event.name() == '[memory]':
            held += event.nbytes()
            peak = max(peak, held)
    return peak / 2**20


def measure(grid: int, chunk: int, width: int = WIDTH) -> dict[str, float]:
    """Both losses on the same random tokens, csa form (two tensors)."""
    generator = torch.Generator().manual_seed(grid)
    tokens = grid * grid

    def noise() -> Tensor:
        return torch.randn(1, tokens, width, generator=generator)

    context = [noise().requires_grad_() for _ in range(2)]
    teacher = noise()
    gradients, values, peaks = [], [], []
    for loss in (
        lambda: context_loss(context, teacher, chunk=chunk),
        lambda: plain_context_loss(context, teacher),
    ):
        peaks.append(peak_mib(loss))
        gradients.append(context[0].grad.clone())
        values.append(loss().item())
        for tensor in context:
            tensor.grad = None
    error = (gradients[0] - gradients[1]).abs().max()
    return dict(
        tokens=tokens,
        chunked_mib=peaks[0],
        plain_mib=peaks[1],
        ratio=peaks[1] / peaks[0],
        value_error=abs(values[0] - values[1]),
        gradient_error=float(error / gradients[1].abs().max()),
    )


def table(rows: list[dict[str, float]], chunk: int) -> str:
    head = (
        f'Context loss (csa, width {WIDTH}, float32, one picture), forward '
        f'and backward, {chunk} rows at a time.\n\n'
        '| tokens | chunked MiB | plain MiB | plain / chunked | relative '
        'gradient error |\n|---|---|---|---|---|\n'
    )
    return head + ''.join(
        f'| {r["tokens"]} | {r["chunked_mib"]:.1f} | {r["plain_mib"]:.1f} | '
        f'{r["ratio"]:.2f} | {r["gradient_error"]:.1e} |\n'
        for r in rows
    )


def draw(rows: list[dict[str, float]], path: str) -> None:
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout='constrained')
    tokens = [r['tokens'] for r in rows]
    axes.plot(tokens, [r['plain_mib'] for r in rows], 's--', label='plain')
    axes.plot(tokens, [r['chunked_mib'] for r in rows], 'o-', label='chunked')
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
    options = parser.parse_args(args)
    rows = [measure(grid, options.chunk) for grid in options.grids]
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
