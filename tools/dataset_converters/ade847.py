"""ADE20K with 847 classes (A-847) from the full release of 2021.

    python tools/dataset_converters/ade847.py data/ADE20K_2021_17_01 \\
        --out data/ade847

Reads every ``ADE_val_*.jpg`` below the folder and its ``*_seg.png``, in which
red and green hold the class: ``red // 10 * 256 + green``. The 847 classes are
those of MaskFormer (NeurIPS 2021), listed in the package with their ids.
Pictures whose short side exceeds 512 are resized to 512, as in CAT-Seg's
preparation. Writes ``images/validation``, ``annotations/validation`` (16
bits, 65535 where there is no class) and ``classes.txt``.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm.apis import command, help_first, tool_parser


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('root', type=Path, help='ADE20K_2021_17_01')
    parser.add_argument('--out', type=Path, default=Path('data/ade847'))
    return parser.parse_args(argv)


help_first(__name__, parse_args)

import numpy as np
from PIL import Image

from declip_mm.datasets.converting import convert_each
from declip_mm.datasets.decoding import read_image, read_labelled
from declip_mm.evaluation.label_files import write_labels
from declip_mm.segmentation.datasets.ade847 import read_ade847

SHORT_SIDE = 512
NONE = 65535


def label_table() -> np.ndarray:
    """(65536,) class id in ``_seg.png`` -> label 0 to 846, else 65535."""
    table = np.full(1 << 16, NONE, np.uint16)
    for label, (class_id, _) in enumerate(read_ade847()):
        table[class_id] = label
    return table


def class_ids(segments: np.ndarray) -> np.ndarray:
    """Colours (H, W, 3) of ``_seg.png`` -> class ids (H, W)."""
    red, green = (segments[..., i].astype(np.int64) for i in (0, 1))
    return red // 10 * 256 + green


def target_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) with a short side of at most 512."""
    short = min(width, height)
    if short <= SHORT_SIDE:
        return width, height
    return round(width / short * SHORT_SIDE), round(
        height / short * SHORT_SIDE
    )


def convert_one(picture: Path, out: Path, table: np.ndarray) -> None:
    """Write a picture and its map.

    Raises:
        UnreadableImage, ContradictingImage: Names the file.
    """
    segments = picture.with_name(f'{picture.stem}_seg.png')
    labels = table[class_ids(np.asarray(read_image(segments, orient=False)))]
    image = read_labelled(picture, labels.shape, segments).image
    target = out / 'images' / 'validation' / picture.name
    size = target_size(*image.size)
    if size == image.size:
        if not target.exists():
            os.symlink(picture.resolve(), target)
    else:
        image.resize(size, Image.Resampling.BILINEAR).save(target, quality=95)
        labels = labels[np.ix_(*map(_nearest, labels.shape, size[::-1]))]
    name = f'{picture.stem}.png'
    write_labels(str(out / 'annotations' / 'validation' / name), labels)


def _nearest(old: int, new: int) -> np.ndarray:
    """Source index of each of ``new`` places, as cv2's INTER_NEAREST."""
    return np.minimum((np.arange(new) * (old / new)).astype(int), old - 1)


@command
def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    out = args.out.absolute()
    pictures = sorted(
        path
        for path in args.root.rglob('ADE_val_*.jpg')
        if out not in path.absolute().parents  # of an earlier run
    )
    if not pictures:
        sys.exit(
            f'ade847.py: {args.root} has no ADE_val_*.jpg; give the folder of '
            'the full release, which is not ADEChallengeData2016.'
        )
    (args.out / 'images' / 'validation').mkdir(parents=True, exist_ok=True)
    table = label_table()
    convert_each(pictures, lambda p: convert_one(p, args.out, table))
    names = '\n'.join(name for _, name in read_ade847())
    (args.out / 'classes.txt').write_text(names + '\n')
    print(f'{len(pictures)} pictures in {args.out}')


if __name__ == '__main__':
    main()
