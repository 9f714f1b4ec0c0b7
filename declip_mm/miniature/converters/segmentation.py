"""The miniature world in the official layout of every segmentation set.

    python tools/dataset_converters/miniature_segmentation.py data/mini_seg

    data/mini_seg/VOCdevkit/VOC2012      voc21, voc20; pas20, pas20b
    data/mini_seg/VOCdevkit/VOC2010      context60, context59
    data/mini_seg/coco_stuff164k         coco_stuff, coco_object
    data/mini_seg/cityscapes             cityscapes
    data/mini_seg/ade/ADEChallengeData2016   ade20k, ade150
    data/mini_seg/ade847                 ade847
    data/mini_seg/context459             context459

A smoke test of paths, labels and configs: a drawing whose name the set has
gets that class, any other one of the set's classes by its number. Figures on
it mean nothing. COCO-Object's and PAS-20b's maps are made by coco_object.py
and pas20b.py; PC-459 has its names in a file of the release, here the world's
own stand for its last ones.
"""

import argparse
import json
import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...apis import add_shared, command, help_first, tool_parser
from ..paths import ROOT
from ..world import build_world


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('out', type=Path)
    parser.add_argument('--split', default='val_known')
    add_shared(parser, '--limit', default=8)
    parser.add_argument('--world', type=Path, help='default: the cached one')
    return parser.parse_args(argv)


help_first(__name__, parse_args, 'miniature_segmentation.py')

import numpy as np
from mmseg.registry import DATASETS

import declip_mm.segmentation  # noqa: F401  (registers the sets)

from .pictures import fresh, write_pictures

WORLD_BACKGROUND = 255
CONTEXT_NAMES = 459


class Layout(NamedTuple):
    """Where a set has its files, and what its labels are.

    Attributes:
        root: Below the output folder; the data_root of the configs.
        dataset: Registered name, for the class names.
        image: File of a picture, ``{}`` is its number.
        label: File of its map.
        first: Label of the first class that is no background.
        background: Label of what is no object.
        listing: Folder in ImageSets with the names of the pictures.
        names: File with the names of the classes, if the set has one.
    """

    root: str
    dataset: str
    image: str
    label: str
    first: int
    background: int
    listing: str | None = None
    names: str | None = None


_ADE = ('images/validation/{}.jpg', 'annotations/validation/{}.png')
_CITY = (
    'leftImg8bit/val/miniature/{}_leftImg8bit.png',
    'gtFine/val/miniature/{}_gtFine_labelTrainIds.png',
)
_STUFF = (
    'images/val2017/{}.jpg',
    'annotations/val2017/{}_labelTrainIds.png',
)
_VOC = ('JPEGImages/{}.jpg', 'SegmentationClass/{}.png')
_CONTEXT = ('JPEGImages/{}.jpg', 'SegmentationClassContext/{}.png')
LAYOUTS = (
    Layout('VOCdevkit/VOC2012', 'OVVOC20Dataset', *_VOC, 1, 0, 'Segmentation'),
    Layout(
        'VOCdevkit/VOC2010',
        'OVContext59Dataset',
        *_CONTEXT,
        1,
        0,
        'SegmentationContext',
    ),
    Layout('coco_stuff164k', 'OVCOCOStuffDataset', *_STUFF, 0, 255),
    Layout('cityscapes', 'OVCityscapesDataset', *_CITY, 0, 255),
    Layout('ade/ADEChallengeData2016', 'OVADE20KDataset', *_ADE, 1, 0),
    Layout('ade847', 'OVADE847Dataset', *_ADE, 0, 65535),
    Layout(
        'context459',
        'OVContext459Dataset',
        *_ADE,
        0,
        65535,
        names='classes.txt',
    ),
)


def class_names(layout: Layout, names: Sequence[str]) -> list[str]:
    """The set's classes; those of PC-459 end with the world's."""
    if layout.names is None:
        return list(DATASETS.get(layout.dataset).METAINFO['classes'])
    others = range(CONTEXT_NAMES - len(names))
    return [*(f'other {number}' for number in others), *names]


def label_table(layout: Layout, names: Sequence[str]) -> np.ndarray:
    """(256,) label of the world -> label of the set's files."""
    classes = class_names(layout, names)
    table = np.full(256, layout.background, np.uint16)
    for label, name in enumerate(names):
        known = name in classes
        owner = classes.index(name) if known else label % len(classes)
        table[label] = layout.first + owner
    table[WORLD_BACKGROUND] = layout.background
    return table


def write_layout(
    layout: Layout, source: Path, out: Path, names: Sequence[str], limit: int
) -> None:
    """Write pictures, maps and list of one set."""
    root, table = out / layout.root, label_table(layout, names)
    stems = write_pictures(
        source, root, layout.image, layout.label, table, limit
    )
    if layout.names:
        text = '\n'.join(class_names(layout, names))
        fresh(root / layout.names).write_text(text)
    if layout.listing:
        listing = root / 'ImageSets' / layout.listing / 'val.txt'
        fresh(listing).write_text('\n'.join(stems) + '\n')


def write_sets(world: Path, split: str, out: Path, limit: int) -> None:
    """Write all layouts of the first pictures of a split."""
    source = world / split
    content = json.loads((source / 'annotations.json').read_text('utf-8'))
    names = [category['name'] for category in content['categories']]
    for layout in LAYOUTS:
        write_layout(layout, source, out, names, limit)
    _convert('pas20b', out / 'VOCdevkit' / 'VOC2012')
    stuff = out / 'coco_stuff164k' / 'annotations' / 'val2017'
    _convert('coco_object', stuff)


def _convert(tool: str, folder: Path) -> None:
    """Runs a converter of tools/, which no package can import."""
    path = ROOT / 'tools' / 'dataset_converters' / f'{tool}.py'
    runpy.run_path(str(path))['convert'](folder)


@command(tool='miniature_segmentation.py')
def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    world = args.world or build_world()
    write_sets(world, args.split, args.out, args.limit)
    print(f'\n{args.limit} pictures in the layouts of all sets: {args.out}')


if __name__ == '__main__':
    main()
