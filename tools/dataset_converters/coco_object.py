"""COCO-Object's maps from those of COCO-Stuff 164k.

    python tools/dataset_converters/coco_object.py data/coco_stuff164k

Reads ``annotations/val2017``: either ``*_labelTrainIds.png``, as mmseg's
converter coco_stuff164k.py writes them (80 things are 0 to 79), or the
official ``stuffthingmaps`` (things have their COCO id minus one). Writes
``*_instanceTrainIds.png`` beside them: 1 to 80 for things, 0 for all else.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.utils import track_iter_progress
from PIL import Image

CLONE = Path(__file__).resolve().parents[2]
if (CLONE / 'declip_mm' / '__init__.py').is_file():
    # works from a clone that was never installed
    sys.path.insert(0, str(CLONE))

from declip_mm.apis import command

SUFFIX, TRAIN_IDS = '_instanceTrainIds.png', '_labelTrainIds.png'
#: COCO ids 1 to 90 that no annotation has.
_GAPS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}


def train_id_table() -> np.ndarray:
    """(256,) label of COCO-Stuff's training -> label of COCO-Object."""
    table = np.zeros(256, np.uint8)
    table[:80] = np.arange(1, 81)
    return table


def official_table() -> np.ndarray:
    """(256,) label of the official maps -> label of COCO-Object."""
    table = np.zeros(256, np.uint8)
    things = [i for i in range(1, 91) if i not in _GAPS]
    for label, coco_id in enumerate(things, 1):
        table[coco_id - 1] = label
    return table


def convert(folder: Path) -> int:
    """Write a map beside each of a folder; how many there were.

    Raises:
        FileNotFoundError: The folder has none.
    """
    files = sorted(folder.glob(f'*{TRAIN_IDS}'))
    table, ending = train_id_table(), TRAIN_IDS
    if not files:
        files = sorted(
            f for f in folder.glob('*.png') if not f.name.endswith(SUFFIX)
        )
        table, ending = official_table(), '.png'
    if not files:
        raise FileNotFoundError(
            f'{folder} has no *{TRAIN_IDS} and no other *.png: unpack '
            'stuffthingmaps_trainval2017.zip of COCO-Stuff there.'
        )
    for file in track_iter_progress(files):
        found = table[np.asarray(Image.open(file))]
        out = file.with_name(file.name[: -len(ending)] + SUFFIX)
        Image.fromarray(found).save(out)
    return len(files)


@command
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('root', type=Path, help='folder of COCO-Stuff 164k')
    parser.add_argument('--split', default='val2017')
    args = parser.parse_args(argv)
    count = convert(args.root / 'annotations' / args.split)
    print(f'\n{count} maps of {args.split}')


if __name__ == '__main__':
    main()
