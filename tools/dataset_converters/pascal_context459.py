"""Pascal Context with all 459 classes (PC-459).

    python tools/dataset_converters/pascal_context459.py \\
        data/VOCdevkit/VOC2010 data/pascal-context --out data/context459

The second folder is the official release unpacked: ``labels.txt`` (lines
``1: accordion``) and ``trainval/*.mat``, each with a ``LabelMap`` of labels
1 to 459. Writes ``images/validation`` (links), ``annotations/validation``
(16 bits, label minus one, 65535 where there is none) and ``classes.txt``.
Needs scipy.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm.apis import command, help_first, tool_parser


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('voc', type=Path, help='VOC2010 of the devkit')
    parser.add_argument('source', type=Path, help='official release')
    parser.add_argument('--out', type=Path, default=Path('data/context459'))
    parser.add_argument('--list', help='list of pictures, relative to VOC')
    return parser.parse_args(argv)


help_first(__name__, parse_args)

import numpy as np

from declip_mm.datasets.converting import convert_each
from declip_mm.evaluation.label_files import write_labels
from declip_mm.segmentation.datasets.pairs import read_split

#: Where the names of the pictures may be, first found first taken.
LISTS = [f'ImageSets/{n}/val.txt' for n in ('SegmentationContext', 'Main')]


def read_label_names(path: Path) -> list[str]:
    """Names in the order of the labels.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The labels are not 1 to N.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} does not exist; give the folder of the official release '
            'of Pascal Context, with labels.txt and trainval/*.mat.'
        )
    text = path.read_text('utf-8-sig')
    pairs = re.findall(r'^\s*(\d+)\s*:\s*(.+?)\s*$', text, re.M)
    found = {int(label): name for label, name in pairs}
    if not found or sorted(found) != list(range(1, len(found) + 1)):
        raise ValueError(
            f'{path} must have lines "1: name", "2: name" ... without gaps; '
            f'it has {len(found)} such labels.'
        )
    return [found[label] for label in sorted(found)]


def to_train_labels(label_map: np.ndarray, count: int) -> np.ndarray:
    """Labels 1..count -> 0..count-1, anything else -> 65535."""
    labels = label_map.astype(np.int64) - 1
    return np.where((labels >= 0) & (labels < count), labels, 65535)


def find_names(voc: Path, given: str | None) -> list[str]:
    """Names of the validation pictures.

    Raises:
        FileNotFoundError: No list is there.
    """
    lists = [given] if given else LISTS
    for name in lists:
        if (voc / name).is_file():
            return read_split(str(voc / name))
    raise FileNotFoundError(
        f'{voc} has none of {lists}; give the list of pictures by --list.'
    )


def read_mat(path: Path, loadmat: Callable) -> np.ndarray:
    """``LabelMap`` (H, W) of a file.

    Raises:
        FileNotFoundError, ValueError: Names the file.
    """
    if not path.is_file():
        raise FileNotFoundError(f'there is no class map {path}')
    try:
        return loadmat(str(path))['LabelMap']
    # scipy raises whatever a damaged file makes it stumble over
    except Exception as error:
        raise ValueError(
            f'{path} is no .mat file with a LabelMap ({error!r:.100})'
        ) from error


def convert(voc: Path, source: Path, out: Path, given: str | None) -> int:
    """Write the set; how many pictures it has.

    Raises:
        FileNotFoundError: There are no names of labels or pictures.
        ValueError: Some pictures could not be converted.
    """
    from scipy.io import loadmat

    classes = read_label_names(source / 'labels.txt')
    images, maps = (out / f / 'validation' for f in ('images', 'annotations'))
    images.mkdir(parents=True, exist_ok=True)
    names = find_names(voc, given)

    def convert_one(name: str) -> None:
        picture = voc / 'JPEGImages' / f'{name}.jpg'
        if not picture.is_file():
            raise FileNotFoundError(f'there is no picture {picture}')
        path = source / 'trainval' / f'{name}.mat'
        labels = to_train_labels(read_mat(path, loadmat), len(classes))
        write_labels(str(maps / f'{name}.png'), labels)
        link = images / f'{name}.jpg'
        if not link.exists():
            os.symlink(picture.resolve(), link)

    convert_each(names, convert_one)
    (out / 'classes.txt').write_text('\n'.join(classes) + '\n')
    return len(names)


@command
def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    count = convert(args.voc, args.source, args.out, args.list)
    print(f'{count} pictures in {args.out}')


if __name__ == '__main__':
    main()
