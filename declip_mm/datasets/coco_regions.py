"""Regions of COCO files: instances json, panoptic json."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .coco_json import read_json, some, typed, unique
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
            or segment id).
        skipped: Reason -> names of the regions left out.
        every_class: Names in the file, in the order of their ids.
    """

    classes: tuple[str, ...]
    isthing: tuple[bool, ...]
    images: list[dict]
    skipped: dict[str, list[str]]
    every_class: tuple[str, ...]


class _Raw(NamedTuple):
    """A region as a file has it."""

    name: str
    image: dict
    category: Any
    bbox: Any
    mask: Any
    crowd: bool


def read_regions(
    path: str | Path,
    panoptic: bool,
    min_area: float,
    max_area: float,
    classes: Sequence[str] | None = None,
) -> RegionFile:
    """Read and check all regions of a COCO file.

    Crowds, regions without a mask, and boxes without area, off the picture or
    beyond the limits are left out, by name. A file that contradicts itself is
    refused.

    Args:
        path: Of the json.
        panoptic: Panoptic format; otherwise instances.
        min_area, max_area: Of a box, in pixels of the picture.
        classes: Names to keep, in the order of the labels; None is all, in
            the order of their ids.

    Raises:
        ValueError: Names the entry and what is wrong with it.
    """
    content = read_json(path, ['images', 'annotations', 'categories'])
    _check_kind(path, content['annotations'], panoptic)
    categories = _categories(path, content['categories'])
    images = _images(path, content['images'])
    labels = _labels(path, categories, classes)
    skipped = defaultdict(list)
    read = _panoptic if panoptic else _instances
    for raw in read(path, content['annotations'], images):
        if raw.category not in categories:
            raise ValueError(
                f'{path}: {raw.name} has category {raw.category!r}; there are '
                f'{some(sorted(categories), 6)}.'
            )
        label = labels.get(raw.category)
        if raw.crowd:
            skipped['crowd'].append(raw.name)
        elif label is None:
            skipped['of another class'].append(raw.name)
        else:
            box, problem = _box(path, raw, min_area, max_area)
            if not problem and not panoptic:
                size = raw.image['height'], raw.image['width']
                problem = check_segmentation(raw.mask, *size)
            if problem:
                skipped[problem].append(raw.name)
                continue
            region = dict(name=raw.name, box=box, label=label, mask=raw.mask)
            region['isthing'] = categories[raw.category][1]
            raw.image['regions'].append(region)
    kept = sorted(labels, key=labels.get)
    return RegionFile(
        tuple(categories[c][0] for c in kept),
        tuple(categories[c][1] for c in kept),
        list(images.values()),
        dict(skipped),
        tuple(name for name, _ in categories.values()),
    )


def _check_kind(path, annotations: list, panoptic: bool) -> None:
    found = bool(annotations) and 'segments_info' in annotations[0]
    if annotations and found != panoptic:
        kind = ('an instances', 'a panoptic')
        raise ValueError(
            f'{path} is {kind[found]} file, read as {kind[panoptic]} one: '
            + (
                'set panoptic_dir to the folder of its PNGs.'
                if found
                else 'leave panoptic_dir out.'
            )
        )


def _categories(path, entries: list) -> dict[int, tuple[str, bool]]:
    """Id -> (name, is a thing), in the order of the ids."""
    found: dict[int, tuple[str, bool]] = {}
    names = set()
    for index, entry in enumerate(entries):
        what = f'categories[{index}]'
        entry = typed(path, entry, what, dict(id=int, name=str))
        unique(path, found, entry['id'], 'categories with id')
        unique(path, names, entry['name'], 'categories called')
        names.add(entry['name'])
        found[entry['id']] = entry['name'], bool(entry.get('isthing', 1))
    return dict(sorted(found.items()))


def _images(path, entries: list) -> dict[int, dict]:
    keys = dict(id=int, file_name=str, height=int, width=int)
    found: dict[int, dict] = {}
    for index, entry in enumerate(entries):
        entry = typed(path, entry, f'images[{index}]', keys)
        unique(path, found, entry['id'], 'images with id')
        found[entry['id']] = dict(
            file_name=entry['file_name'],
            height=entry['height'],
            width=entry['width'],
            regions=[],
        )
    return found


def _labels(path, categories: dict, classes: Any) -> dict[int, int]:
    """Category id -> label of those that are wanted."""
    if classes is None:
        return {c: label for label, c in enumerate(categories)}
    ids = {name: c for c, (name, _) in categories.items()}
    unknown = [name for name in classes if name not in ids]
    if unknown or len(set(classes)) < len(classes):
        raise ValueError(
            f'{path} has no class {some(unknown)}; it has {some(ids, 8)}.'
            if unknown
            else f'classes has a name twice: {some(classes, 8)}.'
        )
    return {ids[name]: label for label, name in enumerate(classes)}


def _image_of(path, images: dict, entry: dict, what: str) -> dict:
    if entry['image_id'] not in images:
        raise ValueError(
            f'{path}: {what} belongs to image {entry["image_id"]}, which is '
            'not in its images.'
        )
    return images[entry['image_id']]


def _instances(path, annotations: list, images: dict) -> Iterator[_Raw]:
    seen = set()
    keys = dict(id=int, image_id=int, category_id=int)
    for index, entry in enumerate(annotations):
        entry = typed(path, entry, f'annotations[{index}]', keys)
        unique(path, seen, entry['id'], 'annotations with id')
        seen.add(entry['id'])
        name = f'annotation {entry["id"]}'
        yield _Raw(
            name,
            _image_of(path, images, entry, name),
            entry['category_id'],
            entry.get('bbox'),
            entry.get('segmentation'),
            bool(entry.get('iscrowd', 0)),
        )


def _panoptic(path, annotations: list, images: dict) -> Iterator[_Raw]:
    keys = dict(image_id=int, file_name=str, segments_info=list)
    for index, entry in enumerate(annotations):
        what = f'annotations[{index}]'
        entry = typed(path, entry, what, keys)
        image = _image_of(path, images, entry, what)
        if 'png' in image:
            raise ValueError(
                f'{path} has two annotations of image {entry["image_id"]}.'
            )
        image['png'] = entry['file_name']
        seen = set()
        for part in entry['segments_info']:
            part = typed(
                path, part, f'{what}, a segment', dict(id=int, category_id=int)
            )
            name = f'segment {part["id"]} of {entry["file_name"]}'
            unique(path, seen, part['id'], f'in {entry["file_name"]} segments')
            seen.add(part['id'])
            crowd = bool(part.get('iscrowd', 0))
            box = part.get('bbox')
            yield _Raw(
                name, image, part['category_id'], box, part['id'], crowd
            )


def _box(path, raw: _Raw, least: float, most: float) -> tuple[list, str]:
    """x0 y0 x1 y1 clipped to the picture, and why to leave it out, if so."""
    box = raw.bbox
    if (
        not isinstance(box, list)
        or len(box) != 4
        or not all(isinstance(v, (int, float)) for v in box)
        or not all(map(math.isfinite, box))
    ):
        raise ValueError(
            f'{path}: {raw.name} has bbox={box!r:.60}; expected four numbers '
            'x, y, width, height.'
        )
    x, y, width, height = box
    if width <= 0 or height <= 0:
        return [], 'without area'
    limits = raw.image['width'], raw.image['height']
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + width, limits[0]), min(y + height, limits[1])
    if x1 <= x0 or y1 <= y0:
        return [], 'outside the picture'
    if not least <= (x1 - x0) * (y1 - y0) <= most:
        return [], f'area not in {least:g} to {most:g} px'
    return [x0, y0, x1, y1], ''
