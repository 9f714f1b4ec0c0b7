"""The paper's tables in miniature: means and intervals over seeds.

    python tools/miniature/ladder.py --table 1 --seeds 3 --out table1.json

Tables: 1 (what each part gives), 1-deep (the same on a CLIP of 12 blocks, see
--clip), 6 (VFM), 7 (context type), 8 (blocks that train), 11 (lambda),
conflict (lambda, coupled and decoupled), recipes, sync, grid, resolution,
block (the last block's form); ``--table tune --split tune`` repeats the
choice of hyper-parameters.
Training, data and metrics are the product's own (configs/miniature). Finished
rows are kept in --work-dir by the hash of their config: an interrupted ladder
goes on where it stopped, and tables share rows.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...apis import command
from ...apis.caching import fill_caches
from ..world import build_world
from .config import job_key, localise, train_config, with_clip
from .frame import get_ready, run_table, table_parser
from .job import Job, read_metrics, run_job
from .pool import run_jobs
from .report import FEASIBILITY, HEAD, TABLES_1, clashes, summarise
from .tables import COMPONENTS, FINAL, TABLES, TUNE, Row


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = table_parser(__doc__, 'ladder')
    parser.add_argument('--table', required=True, choices=list(TABLES))
    parser.add_argument('--rows', nargs='+', help='only these')
    parser.add_argument('--split', choices=('final', 'tune'), default='final')
    parser.add_argument('--photos', action='store_true', help='build them')
    parser.add_argument(
        '--clip', type=Path, help='folder of another CLIP (train_tiny_clip.py)'
    )
    args = parser.parse_args(argv)
    if args.table == 'tune' and args.split != 'tune':
        parser.error('--table tune chooses on tune_known: add --split tune')
    if args.table == '1-deep' and args.clip is None:
        parser.error('--table 1-deep is for a CLIP of 12 blocks: add --clip')
    return args


def wanted_rows(table: str, names: Sequence[str] | None) -> list[Row]:
    rows = TABLES[table]()
    unknown = set(names or ()) - {row.name for row in rows}
    if unknown:
        sys.exit(
            f'ladder.py: table {table} has no rows {sorted(unknown)}; it has '
            f'{[row.name for row in rows]}'
        )
    return [row for row in rows if not names or row.name in names]


def wanted_splits(split: str, world: Path) -> dict[str, str]:
    """Split -> prefix of its columns; photographs only where they exist."""
    splits = TUNE if split == 'tune' else FINAL
    return {
        name: prefix
        for name, prefix in splits.items()
        if (world / name / 'annotations.json').is_file()
    }


def make_jobs(
    rows: Sequence[Row],
    seeds: int,
    splits: Sequence[str],
    world: Path,
    work_dir: Path,
) -> tuple[list[Job], dict[tuple[str, int], Job]]:
    """Jobs without repetition, and the job of each (row, seed)."""
    jobs: dict[str, Job] = {}
    of_row = {}
    for seed in range(seeds):
        for row in rows:
            key = job_key(row, train_config(row, seed), world)
            job = jobs.setdefault(
                key, Job(key, row, seed, world, work_dir / key)
            )
            job.measures |= {(split, row.side) for split in splits}
            of_row[row.name, seed] = job
    return list(jobs.values()), of_row


def prepare_caches(jobs: Sequence[Job], processes: int) -> None:
    """Fill what the jobs that have to train will read."""
    seen = set()
    for job in jobs:
        if not job.row.trained or job.backbone.is_file():
            continue
        if not job.row.cached:
            continue
        cfg = train_config(job.row, job.seed)
        options = dict(
            processes=processes, components=job.row.options.get(COMPONENTS)
        )
        for name, path in localise(cfg, job.world).items():
            if path not in seen:
                seen.add(path)
                fill_caches(cfg, **{name: path}, **options)


def describe(job: Job, seconds: float) -> str:
    """Figures of a job on the first of its splits."""
    order = [*TUNE, *FINAL]
    split, side = min(job.measures, key=lambda m: (order.index(m[0]), m[1]))
    found = read_metrics(job.result(split, side))
    return (
        f'{split} box {found["region_macc"]:.1f} mIoU {found["miou"]:.1f}, '
        f'{seconds:.0f} s'
    )


def trained_backbones(
    rows: Sequence[Row], args: argparse.Namespace, world: Path
) -> dict[tuple[str, int], Path]:
    """(row, seed) -> weights of the ladder; trains those that are missing."""
    folder = args.ladder_dir
    jobs, of_row = make_jobs(rows, args.seeds, [], world, folder)
    left = [j for j in jobs if not j.backbone.is_file()]
    print(f'{len(jobs)} backbones, {len(left)} to train', flush=True)
    prepare_caches(left, args.processes)
    if failed := run_jobs(left, run_job, args.processes, folder):
        sys.exit(f'backbones failed, see {folder}: {failed}')
    return {key: job.backbone for key, job in of_row.items()}


def as_rows(
    rows: Sequence[Row],
    seeds: int,
    splits: dict[str, str],
    of_row: dict[tuple[str, int], Job],
) -> list[dict]:
    """Finished rows, each metric with mean, interval and values."""
    out = []
    for row in rows:
        count = seeds if row.trained else 1
        jobs = [of_row[row.name, seed] for seed in range(count)]
        if not all(job.done() for job in jobs):
            continue
        found = [
            {s: read_metrics(job.result(s, row.side)) for s in splits}
            for job in jobs
        ]
        cells = summarise(found, splits, row.trained)
        out.append(dict(name=row.name, **cells))
    return out


def run_rows(
    args: argparse.Namespace,
    rows: Sequence[Row],
    splits: dict[str, str],
    world: Path,
    what: str,
    start: float,
    **more: Any,
) -> tuple[int, list[dict]]:
    """Exit code of :func:`run_table`, and what is finished."""
    jobs, of_row = make_jobs(
        rows, args.seeds, list(splits), world, args.work_dir
    )
    prepare_caches([j for j in jobs if not j.done()], args.processes)

    def finished() -> list[dict]:
        return as_rows(rows, args.seeds, splits, of_row)

    code = run_table(
        args, [jobs], run_job, finished, HEAD, what, start, describe, **more
    )
    return code, finished()


@command(tool='ladder.py')
def main(argv: Sequence[str] | None = None) -> int:
    args, start = parse_args(argv), get_ready()
    world = build_world(photos=args.photos)
    rows = with_clip(wanted_rows(args.table, args.rows), args.clip)
    code, finished = run_rows(
        args,
        rows,
        wanted_splits(args.split, world),
        world,
        f'Table {args.table}, {args.split} splits,',
        start,
        beside=FEASIBILITY if args.table in TABLES_1 else None,
        table=args.table,
        split=args.split,
        clip='shipped' if args.clip is None else args.clip.name,
    )
    if args.table in TABLES_1 and not args.rows and not code:
        for text in clashes(finished):
            print(f'does not hold: {text}')
    return code


if __name__ == '__main__':
    sys.exit(main())
