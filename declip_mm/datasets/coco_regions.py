"""Regions of COCO files: instances json, panoptic json."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .coco_file import check_categories, check_images, read_coco
from .coco_json import (
    check_box,
    clip_box,
    read_json,
    some,
    typed,
    unique,
    without_collecting,
)
from .masks import check_segmentation

__all__ = ['RegionFile', 'read_regions']


class RegionFile(NamedTuple):
    """What a file of regions holds.

    Attributes:
        classes: Names; labels are positions in it.
        isthing: Whether each class is a thing.
        images: Per picture ``file_name``, ``height``, ``width``, ``png``
            (panoptic) and ``regions``, each with ``name``, ``box`` (x0 y0 x1
            y1 in pixels), ``label``, ``isthing`` and ``mask`` (segmentation,
            segment id, or None).
        skipped: Reason -> names of the regions left out.
        every_class: Names in the file, in the order of their ids.
        masks: Whether the regions have masks; they all have, or none has.
    """

    classes: tuple[str, ...]
    isthing: tuple[bool, ...]
    images: list[dict]
    skipped: dict[str, list[str]]
    every_class: tuple[str, ...]
    masks: bool


class _Raw(NamedTuple):
    """A region as a file has it; image and category by id."""

    name: str
    image: Any
    category: Any
    bbox: Any
    mask: Any
    crowd: bool


@without_collecting()
def read_regions(
    path: str | Path,
    panoptic: bool,
    min_area: float,
    max_area: float,
    classes: Sequence[str] | None = None,
    root: str | Path | None = None,
) -> RegionFile:
    """Read and check all regions of a COCO file.

    Crowds, regions without a mask, and boxes without area, off the picture or
    beyond the limits are left out, by name. In an instances file in which no
    region has a mask the boxes stand alone. A file that contradicts itself is
    refused, see :func:`~declip_mm.datasets.coco_file.read_coco`.

    Args:
        path: Of the json.
        panoptic: Panoptic format; otherwise instances.
        min_area, max_area: Of a box, in pixels of the picture.
        classes: Names to keep, in the order of the labels; None is all, in
            the order of their ids.
        root: Folder of the pictures, which all have to be there.

    Raises:
        FileNotFoundError, ValueError: Names the entry and what is wrong.
    """
    read = _read_panoptic if panoptic else _read_instances
    raw_regions, images, categories = read(path, root)
    alone = not any(r.mask for r in raw_regions if not r.crowd)
    masks = panoptic or not (raw_regions and alone)
    labels = _labels(path, categories, classes)
    things = {c: bool(e.get('isthing', 1)) for c, e in categories.items()}
    pictures = {
        number: dict(
            {k: e[k] for k in ('png',) if k in e},
            file_name=e['file_name'],
            height=e['height'],
            width=e['width'],
            regions=[],
        )
        for number, e in images.items()
    }
    area = min_area, max_area
    skipped = defaultdict(list)
    for raw in raw_regions:
        label = labels.get(raw.category)
        if raw.crowd:
            skipped['crowd'].append(raw.name)
        elif label is None:
            skipped['of another class'].append(raw.name)
        else:
            picture = pictures[raw.image]
            size = picture['height'], picture['width']
            box, problem = clip_box(raw.bbox, size, area)
            if not problem and masks and not panoptic:
                problem = (
                    'without a mask'
                    if raw.mask is None
                    else check_segmentation(raw.mask, *size)
                )
            if problem:
                skipped[problem].append(raw.name)
                continue
            region = dict(name=raw.name, box=box, label=label)
            region['mask'] = raw.mask if masks else None
            region['isthing'] = things[raw.category]
            picture['regions'].append(region)
    kept = sorted(labels, key=labels.get)
    return RegionFile(
        tuple(categories[c]['name'] for c in kept),
        tuple(things[c] for c in kept),
        list(pictures.values()),
        dict(skipped),
        tuple(categories[c]['name'] for c in sorted(categories)),
        masks,
    )


def _labels(path, categories: dict, classes: Any) -> dict[Any, int]:
    """Category id -> label of those that are wanted."""
    if classes is None:
        return {c: label for label, c in enumerate(sorted(categories))}
    ids = {entry['name']: c for c, entry in categories.items()}
    unknown = [name for name in classes if name not in ids]
    if unknown or len(set(classes)) < len(classes):
        there = some((categories[c]['name'] for c in sorted(categories)), 8)
        raise ValueError(
            f'{path} has no class {some(unknown)}; it has {there}.'
            if unknown
            else f'classes has a name twice: {some(classes, 8)}. Each class '
            'has one label: remove one.'
        )
    return {ids[name]: label for label, name in enumerate(classes)}


def _read_instances(path, root) -> tuple[list[_Raw], dict, dict]:
    """Regions, images and categories by id."""
    content = read_coco(path, root)
    raw = [
        _Raw(
            f'annotation {entry["id"]}',
            entry['image_id'],
            entry['category_id'],
            entry['bbox'],
            entry.get('segmentation'),
            bool(entry['iscrowd']),
        )
        for entry in content['annotations']
    ]
    return raw, *(
        {entry['id']: entry for entry in content[part]}
        for part in ('images', 'categories')
    )


def _read_panoptic(path, root) -> tuple[list[_Raw], dict, dict]:
    """As :func:`_read_instances`; images with a region have a ``png``."""
    keys = dict(file_name=str, segments_info=list)
    content = read_json(path, ['images', 'annotations', 'categories'])
    annotations = content['annotations']
    first = annotations[0] if annotations else {}
    if isinstance(first, dict) and 'bbox' in first:
        raise ValueError(
            f'{path} is an instances file, read as a panoptic one: leave '
            'panoptic_dir out.'
        )
    categories = check_categories(path, content['categories'])
    images = check_images(path, content['images'], root)
    raw = []
    for index, entry in enumerate(annotations):
        what = f'annotations[{index}]'
        entry = typed(path, entry, what, keys)
        number = images.find(what, what, entry, 'image_id')
        if 'png' in images[number]:
            raise ValueError(f'{path} has two annotations of image {number}.')
        images[number]['png'] = entry['file_name']
        seen = set()
        for part in entry['segments_info']:
            part = typed(path, part, f'{what}, a segment', dict(id=int))
            name = f'segment {part["id"]} of {entry["file_name"]}'
            unique(path, seen, part['id'], f'in {entry["file_name"]} segments')
            seen.add(part['id'])
            category = categories.find(name, name, part, 'category_id')
            check_box(path, name, part.get('bbox'))
            crowd = bool(part.get('iscrowd'))
            raw.append(
                _Raw(name, number, category, part['bbox'], part['id'], crowd)
            )
    return raw, images, categories
