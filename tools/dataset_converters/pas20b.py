"""PAS-20b's maps from those of Pascal VOC 2012.

    python tools/dataset_converters/pas20b.py data/VOCdevkit/VOC2012

Reads ``SegmentationClass`` (0 background, 1 to 20, 255 void), writes
``SegmentationClassPAS20b``: 0 to 19, background 20, void 255.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm.apis import command, help_first, tool_parser


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('root', type=Path, help='VOC2012 of the devkit')
    return parser.parse_args(argv)


help_first(__name__, parse_args)

import numpy as np

from declip_mm.datasets.converting import relabel


def pas20b_table() -> np.ndarray:
    """(256,) VOC's label -> ours; what is neither stays void."""
    table = np.full(256, 255, np.uint8)
    table[0] = 20
    table[1:21] = np.arange(20)
    return table


def convert(root: Path) -> int:
    """Write all maps of a VOC folder; how many there were.

    Raises:
        FileNotFoundError: There are none.
        ValueError: Some could not be converted.
    """
    source, target = (
        root / f'SegmentationClass{suffix}' for suffix in ('', 'PAS20b')
    )
    files = sorted(source.glob('*.png'))
    if not files:
        raise FileNotFoundError(
            f'{source} has no *.png; give the folder VOC2012 of the VOC '
            'devkit.'
        )
    target.mkdir(exist_ok=True)
    relabel(files, pas20b_table(), lambda file: target / file.name)
    return len(files)


@command
def main(argv: Sequence[str] | None = None) -> None:
    print(f'{convert(parse_args(argv).root)} maps')


if __name__ == '__main__':
    main()
