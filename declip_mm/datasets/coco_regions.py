"""Regions of COCO files: instances json, panoptic json."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .coco_json import (
    clip_box,
    images_by_id,
    read_json,
    some,
    typed,
    unique,
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
    images = images_by_id(path, content['images'])
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
            size = raw.image['height'], raw.image['width']
            box, problem = clip_box(
                path, raw.name, raw.bbox, size, (min_area, max_area)
            )
            if not problem and not panoptic:
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
    if not annotations or not isinstance(annotations[0], dict):
        return  # nothing to tell it by; what is no object is refused later
    found = 'segments_info' in annotations[0]
    if found != panoptic:
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
            else f'classes has a name twice: {some(classes, 8)}. Each class '
            'has one label: remove one.'
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
