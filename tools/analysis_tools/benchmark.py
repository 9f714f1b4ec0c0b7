"""Measure a pre-finetuning step, its parts and dense maps on this machine.

    declip benchmark --json bench.json
    declip benchmark --device cuda --batch 4 16 --json gpu.json --plot gpu.png

One run interleaves four steps on the same random weights and the same
pictures: the reference (what the released code of the paper does), ours in a
first epoch, ours with filled caches, and the floor (the bare student forward
and backward). Only ratios are worth quoting. A run that was stopped goes on
with the cells that its json lacks. benchmarks/README.md says how it measures.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from declip_mm import apis

DEFAULT = Path(__file__).parents[2] / 'configs/declip/pretune_dinov2.py'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    parser.add_argument(
        'config', nargs='?', default=str(DEFAULT), help='of a pre-finetuning'
    )
    apis.add_shared(parser, '--cfg-options')
    apis.add_shared(parser, '--device', default='cpu')
    side = apis.at_least(16)
    parser.add_argument('--size', type=side, default=560, help='of the step')
    parser.add_argument(
        '--batch',
        type=apis.at_least(1),
        nargs='*',
        default=[1],
        help='pictures a step',
    )
    parser.add_argument(
        '--crops', type=apis.at_least(1), default=20, help='of a picture'
    )
    parser.add_argument(
        '--curve',
        type=side,
        nargs='*',
        default=[],
        help='sizes of steps with one picture, for the plot',
    )
    parser.add_argument(
        '--dense', type=side, nargs='*', default=[1024], help='sizes of maps'
    )
    parser.add_argument(
        '--data',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='the loaders of the pictures',
    )
    parser.add_argument(
        '--windows',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='segmentation by windows',
    )
    parser.add_argument('--repeats', type=apis.at_least(1), default=5)
    parser.add_argument('--warm-up', type=apis.at_least(0), default=1)
    parser.add_argument(
        '--compile',
        action='store_true',
        help='as tools/train.py has it; the bare student, too',
    )
    parser.add_argument('--images', help='folder of pictures, else made ones')
    parser.add_argument('--work-dir', default='work_dirs/benchmark')
    parser.add_argument('--json', help='file of what was measured')
    parser.add_argument('--plot', help='picture: cost against tokens')
    return parser.parse_args(argv)


apis.help_first(__name__, parse_args)

import torch
from tqdm import tqdm

from declip_mm.benchmark.measure import Bench
from declip_mm.benchmark.ratios import draw, ratios, table
from declip_mm.benchmark.record import Record, machine
from declip_mm.benchmark.subject import make_photos


def plan(args: argparse.Namespace) -> list[tuple[str, str, tuple]]:
    """Name of a cell, method of the bench, its arguments."""
    steps = [(args.size, batch) for batch in args.batch]
    steps += [(size, 1) for size in args.curve if (size, 1) not in steps]
    cells = [(f'step {s}x{b}', 'step', (s, b)) for s, b in steps]
    cells += [(f'dense {s}', 'dense', (s,)) for s in args.dense]
    cells += [('data', 'data', (args.size,))] * args.data
    return cells + [('segment_windows', 'windows', ())] * args.windows


def run(args: argparse.Namespace) -> Record:
    device = torch.device(apis.check_device(args.device))
    cfg = apis.load_config(args.config, args.cfg_options)
    apis.check_kind(cfg, args.config, ('DecoupledDistiller',))
    record = Record(
        Path(args.json) if args.json else None,
        machine=machine(device),
        config=Path(args.config).name,
        crops=args.crops,
        repeats=args.repeats,
        compile=args.compile,
        options=args.cfg_options,
    )
    folder = Path(args.work_dir)
    photos = Path(args.images or make_photos(folder / 'photos', 8, (480, 640)))
    bench = Bench(
        cfg,
        photos,
        folder,
        device,
        args.crops,
        args.repeats,
        args.warm_up,
        args.compile,
    )
    with tqdm(plan(args), desc='cells') as bar:
        for name, method, values in bar:
            bar.set_postfix_str(name)
            record.cell(name, partial(getattr(bench, method), *values))
    return record


@apis.command
def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    for path in (args.json, args.plot):
        if path:
            apis.writable_file(path)
    with apis.say_what_is_kept(
        lambda: (
            'What is measured is kept; the same command goes on.'
            if args.json
            else ''
        )
    ):
        record = run(args)
    found = ratios(record.cells)
    record.write(found)
    print(table(record.cells))
    print()
    for name, value in found.items():
        if not isinstance(value, dict):
            print(f'{name}: {value:.3g}')
    if args.plot:
        told = record.setting['machine']
        draw(record.cells, Path(args.plot), f'{told["name"]}, {args.config}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
