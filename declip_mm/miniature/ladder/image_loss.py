"""What a loss that keeps CLIP's image embedding costs and gives.

    python tools/miniature/image_loss.py --seeds 2 --out image_loss.json

The row ``decoupled`` of the ladder with ``image_weight`` 0 and others, 300
steps each, measured on known sprites: ``image_macc`` is the accuracy of the
image embedding of crops (what such a loss protects), ``region_macc`` that of
boxes on the dense map. Finished rows are kept in --work-dir, as the ladder's.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
CLONE = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CLONE), str(Path(__file__).resolve().parent)]

from ladder import as_rows, describe, make_jobs, prepare_caches
from ladder_job import run_job
from ladder_pool import Progress, run_jobs
from ladder_report import finish, markdown
from ladder_tables import ORIGINAL, Row

from declip_mm.apis import at_least, command
from declip_mm.datasets.miniature import build_world

SPLITS = dict(val_known='')


def rows(weights: Sequence[float]) -> list[Row]:
    """The original CLIP, and a training for every weight."""
    return [ORIGINAL] + [
        Row(
            f'image-weight-{weight:g}',
            {'model.image_weight': weight} if weight else {},
        )
        for weight in weights
    ]


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--seeds', type=at_least(1), default=2, help='0 to N - 1'
    )
    parser.add_argument(
        '--weights', type=float, nargs='+', default=(0.0, 0.3, 1.0)
    )
    parser.add_argument('--out', type=Path, required=True, help='json file')
    parser.add_argument('--processes', type=at_least(1), default=1)
    parser.add_argument('--work-dir', type=Path, default='work_dirs/ladder')
    args = parser.parse_args(argv)
    if args.seeds < 1 or min(args.weights) < 0:
        parser.error(
            f'--seeds must be 1 or more and --weights 0 or more, got '
            f'{args.seeds} and {args.weights}'
        )
    start = time.time()
    wanted = rows(args.weights)
    jobs, of_row = make_jobs(
        wanted, args.seeds, list(SPLITS), build_world(), args.work_dir
    )
    left = [job for job in jobs if job.missing()]
    prepare_caches(left, args.processes)
    progress = Progress(len(left), describe)
    run_jobs(left, run_job, progress, args.processes, args.work_dir)
    finished = as_rows(wanted, args.seeds, SPLITS, of_row)
    seconds = time.time() - start
    if finished:
        print(f'\n{markdown(finished)}')
    kept = ' (rows were kept)' * (len(left) < len(jobs))
    print(
        f'\nseeds 0 to {args.seeds - 1}, mean ± 95 % interval; wall time '
        f'{seconds:.0f} s{kept}'
    )
    content = dict(seeds=args.seeds, seconds=round(seconds, 1), rows=finished)
    return finish(args.out, content, progress.failed)


if __name__ == '__main__':
    sys.exit(main())
