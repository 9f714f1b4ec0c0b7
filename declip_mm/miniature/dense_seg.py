"""Training-free segmentation of the miniature world: five methods.

    python tools/miniature/dense_seg.py --seeds 3 --out dense_seg.json

Rows, all on the tiny CLIP with the same windows, names and scale
(configs/miniature/dense_seg.py):

    CLIP       the last block as it is
    MaskCLIP   its values, without attention
    SCLIP      csa with residual and FFN
    ClearCLIP  qq without residual and FFN
    DeCLIP     ClearCLIP's block, weights after pre-finetuning, per seed

Only DeCLIP trains, so only its row has an interval. Its weights are those of
the row ``decoupled`` of tools/miniature/ladder.py, made here if --ladder-dir
does not have them, or the files of --checkpoint, one a seed. Measured on
scenes with known drawings (``miou``) and with drawings that no training saw
(``heldout_miou``). Finished parts are kept in --work-dir.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
TOOLS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOOLS.parent), str(TOOLS / 'miniature')]

from dense_seg_job import METHODS, SegJob, run_seg
from ladder import trained_backbones
from ladder_pool import Progress, run_jobs
from ladder_report import finish, interval, show, table
from ladder_tables import DECOUPLED

from declip_mm.apis import at_least, command
from declip_mm.datasets.miniature import build_world

SPLITS = dict(val_known='', val_heldout='heldout_')
METRICS = dict(mIoU='miou', aAcc='aacc')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--seeds', type=at_least(1), default=3, help='0 to N - 1'
    )
    parser.add_argument('--out', type=Path, help='json file')
    parser.add_argument('--rows', nargs='+', choices=list(METHODS))
    parser.add_argument(
        '--checkpoint', type=Path, nargs='+', help='DeCLIP weights, one a seed'
    )
    parser.add_argument(
        '--limit', type=at_least(1), help='pictures of each split'
    )
    parser.add_argument('--processes', type=at_least(1), default=2)
    parser.add_argument('--work-dir', type=Path, default='work_dirs/dense_seg')
    parser.add_argument('--ladder-dir', type=Path, default='work_dirs/ladder')
    args = parser.parse_args(argv)
    if args.checkpoint:
        args.seeds = len(args.checkpoint)
    if args.seeds < 1:
        parser.error(f'--seeds must be 1 or more, got {args.seeds}')
    return args


def declip_weights(args: argparse.Namespace, world: Path) -> list[Path]:
    """Weights of each seed; trains those that are missing."""
    if args.checkpoint:
        return args.checkpoint
    found = trained_backbones(
        [DECOUPLED], args.seeds, world, args.ladder_dir, args.processes
    )
    return list(found.values())


def make_seg_jobs(
    args: argparse.Namespace, world: Path, weights: Sequence[Path]
) -> list[SegJob]:
    jobs = []
    for method in args.rows or METHODS:
        own = weights if method == 'DeCLIP' else [None]
        for seed, file in enumerate(own):
            jobs += [
                SegJob(method, seed, file, s, world, args.limit, args.work_dir)
                for s in SPLITS
            ]
    return jobs


def as_rows(jobs: Sequence[SegJob]) -> list[dict]:
    """Finished methods, each metric with mean, interval and values."""
    rows = []
    for method in dict.fromkeys(job.method for job in jobs):
        own = [job for job in jobs if job.method == method]
        if not all(job.result.is_file() for job in own):
            continue
        row: dict = dict(name=method)
        for split, prefix in SPLITS.items():
            found = [
                json.loads(job.result.read_text('utf-8'))
                for job in own
                if job.split == split
            ]
            for metric, column in METRICS.items():
                row[prefix + column] = interval(
                    [f[metric] for f in found], method == 'DeCLIP'
                )
        rows.append(row)
    return rows


def markdown(rows: Sequence[dict]) -> str:
    head = ['method', 'known mIoU', 'known aAcc']
    head += ['held out mIoU', 'held out aAcc']
    lines = [
        [row['name'], *(show(row[key]) for key in row if key != 'name')]
        for row in rows
    ]
    return table(head, lines)


@command
def main(argv: Sequence[str] | None = None) -> int:
    args, start = parse_args(argv), time.time()
    world = build_world()
    trained = not args.rows or 'DeCLIP' in args.rows
    weights = declip_weights(args, world) if trained else []
    args.work_dir.mkdir(parents=True, exist_ok=True)
    jobs = make_seg_jobs(args, world, weights)
    left = [job for job in jobs if not job.result.is_file()]
    print(f'{len(jobs)} measurements, {len(left)} to make', flush=True)
    progress = Progress(len(left))
    run_jobs(left, run_seg, progress, args.processes, args.work_dir)
    rows, seconds = as_rows(jobs), time.time() - start
    if rows:
        print(f'\n{markdown(rows)}')
    kept = ' (parts were kept)' * (len(left) < len(jobs))
    print(
        f'\npercent; DeCLIP: seeds 0 to {args.seeds - 1}, mean ± 95 % '
        f'interval; wall time {seconds:.0f} s{kept}'
    )
    content = dict(seeds=args.seeds, seconds=round(seconds, 1), rows=rows)
    return finish(args.out, content, progress.failed)


if __name__ == '__main__':
    sys.exit(main())
