"""What a loss that keeps CLIP's image embedding costs and gives.

    python tools/miniature/image_loss.py --seeds 2 --out image_loss.json

The row ``decoupled`` of the ladder with ``image_weight`` 0 and others, 300
steps each, measured on known sprites: ``image_macc`` is the accuracy of the
image embedding of crops (what such a loss protects), ``region_macc`` that of
boxes on the dense map. Finished rows are kept in --work-dir, as the ladder's.
"""

import argparse
import sys
from collections.abc import Sequence

from ...apis import at_least, command, help_first
from ..world import build_world
from .frame import get_ready, table_parser
from .tables import ORIGINAL, Row


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = table_parser(__doc__, 'ladder')
    parser.set_defaults(seeds=2, processes=1)
    parser.add_argument(
        '--weights',
        type=at_least(0.0, float),
        nargs='+',
        default=(0.0, 0.3, 1.0),
    )
    return parser.parse_args(argv)


help_first(__name__, parse_args, 'image_loss.py')

from .run import run_rows


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
    args, start = parse_args(argv), get_ready()
    wanted, splits = rows(args.weights), dict(val_known='')
    return run_rows(args, wanted, splits, build_world(), 'percent;', start)[0]


if __name__ == '__main__':
    sys.exit(main())
