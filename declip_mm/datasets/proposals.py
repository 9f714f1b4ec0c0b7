"""Boxes of a COCO file in the place of grid cells; classes are ignored."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .coco_file import read_coco
from .coco_json import clip_box, log_skipped, without_collecting

__all__ = ['images_with_boxes', 'read_proposals']


@without_collecting()
def read_proposals(
    path: str | Path,
    area: tuple[float, float],
    root: str | Path | None = None,
) -> list[dict]:
    """Pictures and their boxes.

    Args:
        path: COCO json; it may lack ``categories``.
        area: Least and most of a box, in pixels of the picture; others are
            left out, counted and named in the log.
        root: Folder of the pictures, which all have to be there.

    Returns:
        Per picture ``file_name``, ``height``, ``width`` and ``boxes`` (x0 y0
        x1 y1 in pixels).

    Raises:
        FileNotFoundError, ValueError: See
            :func:`~declip_mm.datasets.coco_file.read_coco`; or no box is
            left.
    """
    content = read_coco(path, root, optional=['categories'])
    return images_with_boxes(path, content, area)


def images_with_boxes(
    path: str | Path,
    content: dict,
    area: tuple[float, float],
    labels: Mapping[Any, int] | None = None,
) -> list[dict]:
    """As :func:`read_proposals`, of a file that was read.

    Args:
        path: Of the file, for messages.
        content: Of the file, checked.
        area: As there.
        labels: Label by category id; then every box ends in its label.
    """
    pictures = {
        image['id']: dict(
            file_name=image['file_name'],
            height=image['height'],
            width=image['width'],
            boxes=[],
        )
        for image in content['images']
    }
    left_out = defaultdict(list)
    for entry in content['annotations']:
        picture = pictures[entry['image_id']]
        size = picture['height'], picture['width']
        box, problem = clip_box(entry['bbox'], size, area)
        if problem:
            left_out[problem].append(f'annotation {entry["id"]}')
            continue
        if labels is not None:
            box = [*box, labels[entry['category_id']]]
        picture['boxes'].append(box)
    log_skipped(path, left_out)
    if not any(picture['boxes'] for picture in pictures.values()):
        raise ValueError(
            f'{path} has no box with an area of {area[0]:g} to {area[1]:g} px.'
        )
    return list(pictures.values())
