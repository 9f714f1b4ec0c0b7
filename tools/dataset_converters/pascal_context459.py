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
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.utils import track_iter_progress

CLONE = Path(__file__).resolve().parents[2]
if (CLONE / 'declip_mm' / '__init__.py').is_file():
    # works from a clone that was never installed
    sys.path.insert(0, str(CLONE))

from declip_mm.apis import command
from declip_mm.segmentation.label_files import write_labels

#: Where the names of the pictures may be, first found first taken.
LISTS = (
    'ImageSets/SegmentationContext/val.txt',
    'ImageSets/Main/val.txt',
)


def read_label_names(path: Path) -> list[str]:
    """Names in the order of the labels.

    Raises:
        ValueError: The labels are not 1 to N.
    """
    pairs = re.findall(r'^\s*(\d+)\s*:\s*(.+?)\s*$', path.read_text(), re.M)
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
    for name in [given] if given else LISTS:
        path = voc / name
        if path.is_file():
            return path.read_text().split()
    raise FileNotFoundError(
        f'{voc} has none of {[given] if given else list(LISTS)}; give the '
        'list of pictures by --list.'
    )


def convert(voc: Path, source: Path, out: Path, given: str | None) -> int:
    """Write the set; how many pictures it has."""
    from scipy.io import loadmat

    classes = read_label_names(source / 'labels.txt')
    images, maps = (out / f / 'validation' for f in ('images', 'annotations'))
    images.mkdir(parents=True, exist_ok=True)
    names = find_names(voc, given)
    for name in track_iter_progress(names):
        found = loadmat(str(source / 'trainval' / f'{name}.mat'))['LabelMap']
        labels = to_train_labels(found, len(classes))
        write_labels(str(maps / f'{name}.png'), labels)
        link = images / f'{name}.jpg'
        if not link.exists():
            os.symlink((voc / 'JPEGImages' / f'{name}.jpg').resolve(), link)
    (out / 'classes.txt').write_text('\n'.join(classes) + '\n')
    return len(names)


@command
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('voc', type=Path, help='VOC2010 of the devkit')
    parser.add_argument('source', type=Path, help='official release')
    parser.add_argument('--out', type=Path, default=Path('data/context459'))
    parser.add_argument('--list', help='list of pictures, relative to VOC')
    args = parser.parse_args(argv)
    count = convert(args.voc, args.source, args.out, args.list)
    print(f'\n{count} pictures in {args.out}')


if __name__ == '__main__':
    main()
