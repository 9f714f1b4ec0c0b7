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
from ladder import make_jobs, prepare_caches
from ladder_job import run_job
from ladder_pool import run_jobs
from ladder_report import interval, show
from ladder_tables import DECOUPLED
from mmengine.config import Config

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
    parser.add_argument('--seeds', type=int, default=3, help='0 to N - 1')
    parser.add_argument('--out', type=Path, help='json file')
    parser.add_argument('--rows', nargs='+', choices=list(BACKBONES))
    parser.add_argument('--iters', type=int, default=200)
    parser.add_argument('--images', type=int, help='of each test split')
    parser.add_argument('--mode', choices=('whole', 'catseg'), default='whole')
    parser.add_argument('--processes', type=int, default=2)
    parser.add_argument('--work-dir', type=Path, default='work_dirs/cat_seg')
    parser.add_argument('--ladder-dir', type=Path, default='work_dirs/ladder')
    args = parser.parse_args(argv)
    if args.seeds < 1 or args.iters < 1:
        parser.error('--seeds and --iters must be 1 or more')
    return args


class Progress:
    """A line for every finished part, with the time that is left."""

    def __init__(self, total: int) -> None:
        self.total, self.count, self.start = total, 0, time.time()
        self.failed: dict[str, str] = {}

    def __call__(self, job: object, fine: bool, result: object) -> None:
        self.count += 1
        passed = time.time() - self.start
        left = passed / self.count * (self.total - self.count)
        text = f'{result:.0f} s' if fine else 'FAILED'
        if not fine:
            self.failed[job.name] = str(result)
        print(
            f'[{self.count}/{self.total}] {job.name}: {text}; '
            f'eta {left / 60:.1f} min',
            flush=True,
        )


def declip_weights(args: argparse.Namespace, world: Path) -> list[Path]:
    """DeCLIP's backbone of each seed; trains those that are missing."""
    jobs, of_row = make_jobs(
        [DECOUPLED], args.seeds, [], world, args.ladder_dir
    )
    left = [j for j in jobs if not (j.folder / 'backbone.pth').is_file()]
    print(f'{len(jobs)} backbones, {len(left)} to train', flush=True)
    prepare_caches(left, args.processes)
    progress = Progress(len(left))
    run_jobs(left, run_job, progress, args.processes, args.ladder_dir)
    if progress.failed:
        sys.exit(f'cat_seg.py: {progress.failed}')
    return [
        of_row[DECOUPLED.name, seed].folder / 'backbone.pth'
        for seed in range(args.seeds)
    ]


def make_cat_seg_jobs(
    args: argparse.Namespace, world: Path, data: Path, names: Sequence[str]
) -> list[CATSegJob]:
    """Raw rows, then heads seed by seed; what is not random has one seed."""
    weights = declip_weights(args, world) if 'declip' in names else []
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
                        weights=weights[seed] if name == 'declip' else None,
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
    lines = [[h.replace('_', ' ') for h in head], ['---'] * len(head)]
    for row in rows:
        cells = [show(row[column]) for column in columns]
        lines.append([row['name'], *cells, str(row['finished'])])
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


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
    if args.out:
        content = dict(
            seeds=args.seeds,
            iters=args.iters,
            seconds=round(seconds, 1),
            rows=rows,
        )
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(content, indent=2) + '\n', 'utf-8')
    for name, reason in progress.failed.items():
        print(f'failed: {name}\n{reason}', file=sys.stderr)
    return 1 if progress.failed else 0


if __name__ == '__main__':
    sys.exit(main())
