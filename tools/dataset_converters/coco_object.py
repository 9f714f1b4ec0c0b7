"""Maps of COCO-Object and COCO-Stuff from those of COCO-Stuff 164k.

    python tools/dataset_converters/coco_object.py data/coco_stuff164k
    python tools/dataset_converters/coco_object.py data/coco_stuff164k --stuff

Reads ``annotations/val2017``: the official ``stuffthingmaps`` (things have
their COCO id minus one), or ``*_labelTrainIds.png``, as mmseg's converter
coco_stuff164k.py writes them (80 things are 0 to 79). Writes beside them
``*_instanceTrainIds.png``: 1 to 80 for things, 0 for all else; with
``--stuff`` ``*_labelTrainIds.png``: 0 to 170, 255 for all else, as mmseg's
converter does, which takes nothing but the whole set (both splits).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm.apis import command, help_first, tool_parser


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('root', type=Path, help='folder of COCO-Stuff 164k')
    parser.add_argument('--split', default='val2017')
    parser.add_argument(
        '--stuff', action='store_true', help='write the maps of COCO-Stuff'
    )
    return parser.parse_args(argv)


help_first(__name__, parse_args)

import numpy as np

from declip_mm.datasets.converting import relabel

SUFFIX, TRAIN_IDS = '_instanceTrainIds.png', '_labelTrainIds.png'
#: COCO ids that no annotation has.
_GAPS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91}


def train_id_table() -> np.ndarray:
    """(256,) label of COCO-Stuff's training -> label of COCO-Object."""
    table = np.zeros(256, np.uint8)
    table[:80] = np.arange(1, 81)
    return table


def official_table() -> np.ndarray:
    """(256,) label of the official maps -> label of COCO-Object."""
    table = stuff_table().astype(int) + 1
    return np.where(table <= 80, table, 0).astype(np.uint8)


def stuff_table() -> np.ndarray:
    """(256,) label of the official maps -> label of COCO-Stuff's training."""
    table = np.full(256, 255, np.uint8)
    ids = [i for i in range(1, 183) if i not in _GAPS]
    table[np.array(ids) - 1] = np.arange(171)
    return table


def convert(folder: Path, stuff: bool = False) -> int:
    """Write a map beside each of a folder; how many there were.

    Of two kinds that is taken which there are more of: mmseg's converter may
    have been stopped.

    Args:
        folder: Of the maps of a split.
        stuff: Write those of COCO-Stuff instead of COCO-Object.

    Raises:
        FileNotFoundError: The folder has none.
        ValueError: Some could not be converted.
    """
    trained = sorted(folder.glob(f'*{TRAIN_IDS}'))
    made = (SUFFIX, TRAIN_IDS)
    official = [p for p in folder.glob('*.png') if not p.name.endswith(made)]
    files, ending, target = sorted(official), '.png', SUFFIX
    if stuff:
        table, target = stuff_table(), TRAIN_IDS
    elif len(trained) < len(official):
        table = official_table()
    else:
        files, ending, table = trained, TRAIN_IDS, train_id_table()
    if not files:
        raise FileNotFoundError(
            f'{folder} has {len(trained)} *{TRAIN_IDS} and no other *.png: '
            'unpack stuffthingmaps_trainval2017.zip of COCO-Stuff there.'
        )

    def out(file: Path) -> Path:
        return file.with_name(file.name.removesuffix(ending) + target)

    relabel(files, table, out)
    return len(files)


@command
def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    count = convert(args.root / 'annotations' / args.split, args.stuff)
    print(f'{count} maps of {args.split}')


if __name__ == '__main__':
    main()
