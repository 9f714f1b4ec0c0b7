"""Write a split of the miniature world in the layout of COCO panoptic.

    python tools/dataset_converters/miniature_coco_panoptic.py data/mini_coco
    python tools/dataset_converters/miniature_coco_panoptic.py \\
        data/mini_photos --split val_photo --stuff background

    data/mini_coco/annotations/panoptic_val2017.json
    data/mini_coco/annotations/panoptic_val2017/000000000001.png
    data/mini_coco/val2017/000000000001.jpg

The configs of configs/region_cls then need another data_root, and nothing
else of their data changed. Segments are the visible parts of the objects; the
background has no segment, or one of a stuff class with --stuff.
"""

import argparse
import json
import shutil
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from ...apis import add_shared, command, tool_parser
from ..world import build_world

#: Spreads small numbers over the three bytes of a segment id; odd, hence
#: different numbers below 2 ** 24 stay different.
_STRIDE = 6700417


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('out', type=Path, help='new folder, the data_root')
    parser.add_argument('--split', default='val_known')
    parser.add_argument(
        '--world',
        type=Path,
        help='folder of the miniature world (default: the cached one, built '
        'if need be)',
    )
    parser.add_argument(
        '--stuff',
        metavar='NAME',
        help='class name that the background gets as stuff (default: no '
        'class, its pixels belong to no segment)',
    )
    add_shared(parser, '--limit')
    return parser.parse_args(args)


def segment_colour(number: int) -> np.ndarray:
    """Segment id -> its colour in a panoptic picture, (3,) uint8."""
    low, rest = number % 256, number // 256
    return np.array([low, rest % 256, rest // 256], np.uint8)


def segment_of(mask: np.ndarray, number: int, category: int) -> dict:
    """The entry of ``segments_info`` for a mask with pixels."""
    x = np.flatnonzero(mask.any(axis=0)).tolist()
    y = np.flatnonzero(mask.any(axis=1)).tolist()
    box = [x[0], y[0], x[-1] + 1 - x[0], y[-1] + 1 - y[0]]
    about = dict(id=number, category_id=category, iscrowd=0)
    return dict(about, bbox=box, area=int(mask.sum()))


def paint(
    notes: list[dict], size: tuple[int, int], stuff: int | None, first: int
) -> tuple[np.ndarray, list[dict]]:
    """Panoptic picture (H, W, 3) and its segments.

    Args:
        notes: COCO annotations of one picture.
        size: (H, W).
        stuff: Category id of the background, if it has one.
        first: Number from which segments of this picture are counted.

    Raises:
        ValueError: Two masks overlap: a panoptic picture cannot hold them.
    """
    picture = np.zeros((*size, 3), np.uint8)
    free = np.ones(size, bool)
    parts = [
        (coco_mask.decode(n['segmentation']) > 0, n['category_id'])
        for n in notes
    ]
    segments = []
    for mask, _ in parts:
        if (mask & ~free).any():
            raise ValueError(
                f'masks of picture {notes[0]["image_id"]} overlap; only '
                'visible parts can be written as panoptic segments.'
            )
        free &= ~mask
    if stuff is not None:
        parts.append((free, stuff))
    for mask, category in parts:
        if mask.any():
            number = (first + len(segments)) * _STRIDE % 2**24
            picture[mask] = segment_colour(number)
            segments.append(segment_of(mask, number, category))
    return picture, segments


def categories_of(source: dict, stuff: str | None) -> list[dict]:
    """COCO panoptic's ``categories``; things keep their ids."""
    found = [
        dict(id=c['id'], name=c['name'], supercategory='drawing', isthing=1)
        for c in source['categories']
    ]
    if stuff in {c['name'] for c in found}:
        raise ValueError(f'--stuff {stuff!r} is the name of an object class.')
    if stuff is not None:
        number = max(c['id'] for c in found) + 1
        found.append(
            dict(id=number, name=stuff, supercategory='ground', isthing=0)
        )
    for category in found:
        colour = segment_colour(category['id'] * _STRIDE % 2**24)
        category['color'] = colour.tolist()
    return found


def convert(
    source: Path, out: Path, stuff: str | None, limit: int | None
) -> dict:
    """Write one split; returns the panoptic json's content."""
    content = json.loads((source / 'annotations.json').read_text('utf-8'))
    categories = categories_of(content, stuff)
    ground = categories[-1]['id'] if stuff is not None else None
    by_image = defaultdict(list)
    for note in content['annotations']:
        by_image[note['image_id']].append(note)
    pictures = out / 'val2017'
    masks = out / 'annotations' / 'panoptic_val2017'
    for folder in (pictures, masks):
        folder.mkdir(parents=True)
    images, annotations, count = [], [], 1
    for image in content['images'][:limit]:
        size = image['height'], image['width']
        picture, segments = paint(by_image[image['id']], size, ground, count)
        count += len(segments)
        stem = f'{image["id"]:012d}'
        shutil.copyfile(
            source / 'images' / image['file_name'], pictures / f'{stem}.jpg'
        )
        Image.fromarray(picture).save(masks / f'{stem}.png')
        images.append(dict(image, file_name=f'{stem}.jpg'))
        note = dict(image_id=image['id'], file_name=f'{stem}.png')
        annotations.append(dict(note, segments_info=segments))
    written = dict(info=content.get('info', {}), images=images)
    written.update(annotations=annotations, categories=categories)
    target = out / 'annotations' / 'panoptic_val2017.json'
    target.write_text(json.dumps(written), 'utf-8')
    return written


@command(tool='miniature_coco_panoptic.py')
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    photos = args.split == 'val_photo'
    world = args.world or build_world(photos=photos)
    source = Path(world) / args.split
    if not (source / 'annotations.json').is_file():
        there = sorted(p.parent.name for p in world.glob('*/annotations.json'))
        sys.exit(f'{world} has no split {args.split!r}, only {there}.')
    if args.out.exists() and any(args.out.iterdir()):
        sys.exit(f'{args.out} is not empty; name a new folder.')
    written = convert(source, args.out, args.stuff, args.limit)
    segments = sum(len(a['segments_info']) for a in written['annotations'])
    print(
        f'{args.out}: {len(written["images"])} pictures, {segments} segments, '
        f'{len(written["categories"])} classes of split {args.split}'
    )


if __name__ == '__main__':
    main()
