"""CAT-Seg on the miniature world: what head and backbone are worth.

    python tools/miniature/cat_seg.py --seeds 3 --out cat_seg.json

For every seed and every backbone a head is trained on the 34 base names (data
in COCO-Stuff's layout, novel names unlabelled) and measured over all 45 names
(data in ADE20K's layout) on scenes that it never saw, with known drawings
(``novel_miou``, ``base_miou``) and with drawings that no training saw
(``heldout_...``). Backbones:

    original      the tiny CLIP, its last block as it is
    original-qq   the same weights, decoupled block without training
    declip        DeCLIP (a row of tools/miniature/ladder.py, made here if
                  --ladder-dir does not have it)

``raw`` rows are cosines of features and names at the same resolution, with no
head. Finished parts are kept in --work-dir; an interrupted run goes on.
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

from cat_seg_data import write_layouts
from cat_seg_job import CONFIG, SPLITS, CATSegJob, run_cat_seg
from ladder import trained_backbones
from ladder_pool import Progress, run_jobs
from ladder_report import finish, interval, show, table
from ladder_tables import DECOUPLED
from mmengine.config import Config

from declip_mm.apis import at_least, command
from declip_mm.datasets.miniature import build_world, load_pack

#: Backbone -> affinity of its last block.
BACKBONES = {'original': 'vanilla', 'original-qq': 'qq', 'declip': 'qq'}
COLUMNS = ('novel_miou', 'base_miou')
PREFIXES = dict(zip(SPLITS, ('', 'heldout_')))


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--seeds', type=at_least(1), default=3, help='0 to N - 1'
    )
    parser.add_argument('--out', type=Path, help='json file')
    parser.add_argument('--rows', nargs='+', choices=list(BACKBONES))
    parser.add_argument('--iters', type=at_least(1), default=200)
    parser.add_argument(
        '--images', type=at_least(1), help='of each test split'
    )
    parser.add_argument('--mode', choices=('whole', 'catseg'), default='whole')
    parser.add_argument('--processes', type=at_least(1), default=2)
    parser.add_argument('--work-dir', type=Path, default='work_dirs/cat_seg')
    parser.add_argument('--ladder-dir', type=Path, default='work_dirs/ladder')
    args = parser.parse_args(argv)
    if args.seeds < 1 or args.iters < 1:
        parser.error('--seeds and --iters must be 1 or more')
    return args


def make_cat_seg_jobs(
    args: argparse.Namespace, world: Path, data: Path, names: Sequence[str]
) -> list[CATSegJob]:
    """Raw rows, then heads seed by seed; what is not random has one seed."""
    rows = [DECOUPLED] if 'declip' in names else []
    weights = trained_backbones(
        rows, args.seeds, world, args.ladder_dir, args.processes
    )
    mark = f'{args.iters}_{args.images or "all"}_{args.mode}'
    jobs = []
    for head in (False, True):
        for seed in range(args.seeds):
            for name in names:
                if not head and seed and name != 'declip':
                    continue
                row = f'{"cat-seg" if head else "raw"} {name}'
                folder = args.work_dir / row.replace(' ', '_') / mark
                jobs.append(
                    CATSegJob(
                        name=f'{row} seed {seed}',
                        seed=seed,
                        affinity=BACKBONES[name],
                        weights=weights[DECOUPLED.name, seed]
                        if name == 'declip'
                        else None,
                        head=head,
                        world=world,
                        data=data,
                        folder=folder / str(seed),
                        iters=args.iters,
                        images=args.images,
                        mode=args.mode,
                    )
                )
    return jobs


def as_rows(jobs: Sequence[CATSegJob]) -> list[dict]:
    """A row for each backbone and head of which anything is finished."""
    groups: dict[str, list[CATSegJob]] = {}
    for job in jobs:
        groups.setdefault(job.name.rpartition(' seed ')[0], []).append(job)
    rows = []
    for name, own in groups.items():
        found = [
            json.loads(job.result.read_text('utf-8'))
            for job in own
            if job.done()
        ]
        if not found:
            continue
        random = own[0].head or own[0].weights is not None
        cells: dict = dict(name=name, finished=len(found))
        for split, prefix in PREFIXES.items():
            for column in COLUMNS:
                values = [f[split][column] for f in found]
                cells[prefix + column] = interval(values, trained=random)
        rows.append(cells)
    return rows


def markdown(rows: Sequence[dict]) -> str:
    columns = [f'{p}{c}' for p in PREFIXES.values() for c in COLUMNS]
    head = ['row', *(c.replace('_miou', ' mIoU') for c in columns), 'seeds']
    lines = []
    for row in rows:
        cells = [show(row[column]) for column in columns]
        lines.append([row['name'], *cells, str(row['finished'])])
    return table([h.replace('_', ' ') for h in head], lines)


@command
def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    start, names = time.time(), args.rows or list(BACKBONES)
    world, cfg = build_world(), Config.fromfile(CONFIG)
    data = write_layouts(
        world,
        world / 'cat_seg',
        cfg.classes,
        cfg.base_classes,
        load_pack().classes,
        SPLITS,
    )
    jobs = make_cat_seg_jobs(args, world, data, names)
    left = [job for job in jobs if not job.done()]
    print(f'{len(jobs)} parts, {len(left)} to do', flush=True)
    progress = Progress(len(left))
    run_jobs(left, run_cat_seg, progress, args.processes, args.work_dir)
    rows, seconds = as_rows(jobs), time.time() - start
    if rows:
        print(f'\n{markdown(rows)}')
    kept = ' (parts were kept)' * (len(left) < len(jobs))
    print(
        f'\nmIoU over 45 names, seeds 0 to {args.seeds - 1}, mean ± 95 % '
        f'interval; {args.iters} steps; wall time {seconds:.0f} s{kept}'
    )
    content = dict(
        seeds=args.seeds,
        iters=args.iters,
        seconds=round(seconds, 1),
        rows=rows,
    )
    return finish(args.out, content, progress.failed)


if __name__ == '__main__':
    sys.exit(main())
