"""F-ViT on the miniature world: what the backbone's weights are worth.

    python tools/miniature/f_vit.py --seeds 3 --out f_vit.json

For every seed and every backbone a detector is trained on the 34 base names
and measured on scenes that it never saw, with known drawings (``novel_ap50``,
``base_ap50``) and with drawings that no training saw (``heldout_...``). Rows:

    original          the tiny CLIP, its last block as F-ViT runs it (values)
    original-qq       the same weights, decoupled block without training
    self-distillation content loss alone, in the form of the paper's Table 1
    clipself          content loss alone, on the values (CLIPSelf)
    declip            DeCLIP

The three trained backbones are rows of tools/miniature/ladder.py, made here if
--ladder-dir does not have them. All detectors share one config,
configs/miniature/f_vit_coco.py. Exponents and temperature of the fusion are
swept for every row on the split tune_known at seed 0 alone, which no row
reports. Finished parts are kept in --work-dir.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
TOOLS = Path(__file__).resolve().parents[1]
sys.path[:0] = [
    str(TOOLS.parent),
    str(TOOLS / 'miniature'),
    str(TOOLS / 'dataset_converters'),
]

from f_vit_job import DetectorJob, run_detector
from ladder import trained_backbones
from ladder_pool import Progress, run_jobs
from ladder_report import finish, interval, show, table
from ladder_tables import BACKBONE, DECOUPLED, NO_VFM, Row, table_1
from miniature_detection import write_detection_world

from declip_mm.apis import at_least, command
from declip_mm.datasets.miniature import build_world

SPLITS = {'val_known': '', 'val_heldout': 'heldout_'}
GROUPS = ('novel', 'base')
MASKCLIP = {f'{BACKBONE}.affinity': 'maskclip'}
(SELF_DISTILLED,) = (r for r in table_1() if r.name == 'self-distillation')


@dataclass(frozen=True)
class Backbone:
    """A row: how the last block runs, and who trained the weights.

    Attributes:
        affinity: Of the dense map and of the last feature level alike.
        row: Of the ladder; None leaves the original weights.
    """

    affinity: str
    row: Row | None = None


BACKBONES = {
    'original': Backbone('maskclip'),
    'original-qq': Backbone('qq'),
    'self-distillation': Backbone('vanilla', SELF_DISTILLED),
    'clipself': Backbone('maskclip', Row('clipself', {**MASKCLIP, **NO_VFM})),
    'declip': Backbone('qq', DECOUPLED),
}


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
    parser.add_argument('--epochs', type=at_least(1), default=4)
    parser.add_argument('--processes', type=at_least(1), default=2)
    parser.add_argument('--work-dir', type=Path, default='work_dirs/f_vit')
    parser.add_argument('--ladder-dir', type=Path, default='work_dirs/ladder')
    args = parser.parse_args(argv)
    if args.seeds < 1 or args.epochs < 1:
        parser.error('--seeds and --epochs must be 1 or more')
    return args


def detector_jobs(
    args: argparse.Namespace,
    world: Path,
    names: Sequence[str],
    weights: dict[tuple[str, int], Path],
) -> list[DetectorJob]:
    """Seed 0 comes first: it decides how the others fuse.

    Args:
        args: Of the command line.
        world: Folder of the miniature world.
        names: Rows.
        weights: (ladder row, seed) -> file.
    """
    return [
        DetectorJob(
            name=f'{name} seed {seed}',
            seed=seed,
            affinity=BACKBONES[name].affinity,
            weights=BACKBONES[name].row
            and weights[BACKBONES[name].row.name, seed],
            world=world,
            folder=args.work_dir / f'{name}_{args.epochs}' / str(seed),
            epochs=args.epochs,
            splits=tuple(SPLITS),
        )
        for seed in range(args.seeds)
        for name in names
    ]


def as_rows(names: Sequence[str], jobs: Sequence[DetectorJob]) -> list[dict]:
    rows = []
    for name in names:
        own = [j for j in jobs if j.name.startswith(f'{name} seed ')]
        if not all(job.done() for job in own):
            continue
        found = [json.loads(j.result.read_text('utf-8')) for j in own]
        cells: dict = dict(name=name, fusion=found[0]['fusion'])
        for split, prefix in SPLITS.items():
            for group in GROUPS:
                key = f'{group}_AP50'
                cells[f'{prefix}{group}_ap50'] = interval(
                    [f[split][key] for f in found], trained=True
                )
        rows.append(cells)
    return rows


def markdown(rows: Sequence[dict]) -> str:
    columns = [f'{p}{g}_ap50' for p in SPLITS.values() for g in GROUPS]
    head = ['backbone', *(c.replace('_', ' ') for c in columns)]
    head.append('alpha / beta / tau')
    lines = []
    for row in rows:
        fusion = ' / '.join(f'{v:g}' for v in row['fusion'])
        cells = [show(row[column]) for column in columns]
        lines.append([row['name'], *cells, fusion])
    return table(head, lines)


@command
def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    start, names = time.time(), args.rows or list(BACKBONES)
    world = build_world()
    write_detection_world(world)
    weights = trained_backbones(
        [BACKBONES[n].row for n in names if BACKBONES[n].row],
        args.seeds,
        world,
        args.ladder_dir,
        args.processes,
    )
    jobs = detector_jobs(args, world, names, weights)
    left = [job for job in jobs if not job.done()]
    print(f'{len(jobs)} detectors, {len(left)} to train', flush=True)
    progress = Progress(len(left))
    for seeds in ([0], range(1, args.seeds)):
        part = [job for job in left if job.seed in seeds]
        run_jobs(part, run_detector, progress, args.processes, args.work_dir)
    rows = as_rows(names, jobs)
    seconds = time.time() - start
    if rows:
        print(f'\n{markdown(rows)}')
    kept = ' (parts were kept)' * (len(left) < len(jobs))
    print(
        f'\nbox AP50, seeds 0 to {args.seeds - 1}, mean ± 95 % interval; '
        f'wall time {seconds:.0f} s{kept}'
    )
    content = dict(seeds=args.seeds, seconds=round(seconds, 1), rows=rows)
    return finish(args.out, content, progress.failed)


if __name__ == '__main__':
    sys.exit(main())
