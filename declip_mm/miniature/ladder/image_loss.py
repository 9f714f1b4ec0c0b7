"""What a loss that keeps CLIP's image embedding costs and gives.

    python tools/miniature/image_loss.py --seeds 2 --out image_loss.json

The row ``decoupled`` of the ladder with ``image_weight`` 0 and others, 300
steps each, measured on known sprites: ``image_macc`` is the accuracy of the
image embedding of crops (what such a loss protects), ``region_macc`` that of
boxes on the dense map. Finished rows are kept in --work-dir, as the ladder's.
"""

import sys
import time
from collections.abc import Sequence

from ...apis import command
from ..world import build_world
from .frame import conclude, get_ready, table_parser
from .job import run_job
from .pool import Progress, run_jobs
from .report import markdown
from .run import as_rows, describe, make_jobs, prepare_caches
from .tables import ORIGINAL, Row

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
    parser = table_parser(__doc__, 'ladder')
    parser.set_defaults(seeds=2, processes=1)
    parser.add_argument(
        '--weights', type=float, nargs='+', default=(0.0, 0.3, 1.0)
    )
    args = parser.parse_args(argv)
    if args.seeds < 1 or min(args.weights) < 0:
        parser.error(
            f'--seeds must be 1 or more and --weights 0 or more, got '
            f'{args.seeds} and {args.weights}'
        )
    get_ready()
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
    return conclude(
        args,
        finished,
        markdown,
        'percent;',
        start,
        len(jobs),
        progress,
    )


if __name__ == '__main__':
    sys.exit(main())
