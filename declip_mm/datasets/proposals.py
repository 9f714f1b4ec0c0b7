"""Boxes of a COCO file in the place of grid cells; classes are ignored."""

import logging
from collections import defaultdict
from pathlib import Path

from mmengine.logging import print_log

from .coco_json import clip_box, images_by_id, read_json, some, typed

__all__ = ['read_proposals']


def read_proposals(
    path: str | Path,
    area: tuple[float, float],
    categories: dict[int, int] | None = None,
) -> list[dict]:
    """Pictures and their boxes.

    Args:
        path: COCO json with ``images`` and ``annotations``; of these only
            ``image_id`` and ``bbox`` are read.
        area: Least and most of a box, in pixels of the picture; others are
            left out, counted and named in the log.
        categories: Label by category id; then every box ends in its label.

    Returns:
        Per picture ``file_name``, ``height``, ``width`` and ``boxes`` (x0 y0
        x1 y1 in pixels).

    Raises:
        ValueError: The file contradicts itself; names the entry.
    """
    content = read_json(path, ['images', 'annotations'])
    images = images_by_id(path, content['images'])
    left_out = defaultdict(list)
    for index, entry in enumerate(content['annotations']):
        name = f'annotations[{index}]'
        entry = typed(path, entry, name, dict(image_id=int))
        if entry['image_id'] not in images:
            raise ValueError(
                f'{path}: {name} belongs to image {entry["image_id"]}, which '
                'is not in its images.'
            )
        image = images[entry['image_id']]
        size = image['height'], image['width']
        box, problem = clip_box(path, name, entry.get('bbox'), size, area)
        if problem:
            left_out[problem].append(name)
        else:
            if categories is not None:
                box = [*box, _label(path, name, entry, categories)]
            image['regions'].append(box)
    for reason, names in left_out.items():
        print_log(
            f'{path}: {len(names)} boxes left out, {reason}: {some(names)}.',
            logger='current',
            level=logging.WARNING,
        )
    if not any(image['regions'] for image in images.values()):
        raise ValueError(
            f'{path} has no box with an area of {area[0]:g} to {area[1]:g} px.'
        )
    for image in images.values():
        image['boxes'] = image.pop('regions')
    return list(images.values())


def _label(path: str | Path, name: str, entry: dict, known: dict) -> int:
    number = entry.get('category_id')
    if not isinstance(number, int) or number not in known:
        raise ValueError(
            f'{path}: {name} has category_id={number!r:.60}, which is not in '
            'its categories.'
        )
    return known[number]
