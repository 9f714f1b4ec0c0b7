"""The one checked reader of COCO's json files.

Entries are completed where they lie, and keep the keys that it does not know
(LVIS's ``frequency``, ``neg_category_ids`` and so on). A file that
contradicts itself is refused, by entry.
"""

import math
from collections.abc import Mapping, Sequence
from operator import mul
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from pycocotools import mask as coco_mask

from .coco_json import (
    EntriesById,
    check_box,
    read_json,
    some,
    typed,
    unique,
    without_collecting,
)
from .decoding import UnreadableImage, read_size
from .listing import check_files, image_name
from .masks import check_segmentation

__all__ = ['check_categories', 'check_images', 'read_coco']

_NUMBERS = (int, float)
#: Boxes looked at to tell x, y, width, height from two corners.
_LOOKED_AT = 1000
#: With fewer boxes two corners may look like that by chance.
_FEWEST = 8


def read_coco(
    path: str | Path,
    root: str | Path | None = None,
    optional: Sequence[str] = (),
) -> dict:
    """Content of a json with images, boxes and categories, checked.

    What is missing is filled in: ``iscrowd`` 0, ``area`` from the mask or the
    box, the size of a picture from its file, ids of annotations by counting.
    Ids that are floats become whole numbers, and so do texts of digits where
    all ids are such texts; other texts stay. A flat list of numbers as
    ``segmentation`` is one polygon. Masks are not looked at further.

    Args:
        path: Of the file.
        root: Folder of the pictures, which all have to be there; None asks
            for none, and leaves out sizes that the file does not say.
        optional: Which of ``'annotations'`` and ``'categories'`` may be
            missing; they are empty then, and category ids are not looked at.

    Returns:
        The file's object; ``images``, ``annotations`` and ``categories`` are
        lists in the order of the file.

    Raises:
        FileNotFoundError, ValueError: Names the file, the entry, what it is
            and what is allowed.
    """
    keys = ('images', 'annotations', 'categories')
    content = read_json(path, keys, optional)
    first = content['annotations'][:1]
    if first and isinstance(first[0], dict) and 'segments_info' in first[0]:
        raise ValueError(
            f'{path} is a panoptic file, read as an instances one: set '
            'panoptic_dir to the folder of its PNGs where regions are read, '
            'or give the instances file.'
        )
    with without_collecting():
        categories = check_categories(path, content['categories'])
        images = check_images(path, content['images'], root)
        if not categories and 'categories' in optional:
            categories = None
        _check_annotations(path, content['annotations'], images, categories)
    return content


def check_categories(path: Any, entries: list) -> EntriesById:
    """``categories`` by id; each has a name of its own.

    Names that differ in case or blanks alone count as one: text towers that
    ignore case would take them for one.
    """
    found = EntriesById(path, 'categories', entries)
    names: dict[str, str] = {}
    for index, entry in enumerate(entries):
        name = typed(path, entry, f'categories[{index}]', dict(name=str))
        name = name['name']
        key = ' '.join(name.split()).casefold()
        if not key:
            raise ValueError(
                f'{path}: categories[{index}] has name={name!r}; expected '
                'the name of a class.'
            )
        if key in names:
            both = f'{names[key]!r}'
            if name != names[key]:
                both = f'{both} and {name!r} (case and blanks do not count)'
            raise ValueError(
                f'{path} has two categories called {both}; which one is '
                'meant? Remove one.'
            )
        names[key] = name
    return found


def check_images(
    path: Any, entries: list, root: str | Path | None = None
) -> EntriesById:
    """``images`` by id, with ``file_name`` and, if known, their sizes.

    Args:
        path: Of the file, for messages.
        entries: See :func:`read_coco`.
        root: As there.
    """
    if not entries:
        raise ValueError(
            f'{path} lists no image. List the pictures that its annotations '
            'are of under images.'
        )
    found = EntriesById(path, 'images', entries)
    bare = []
    for index, entry in enumerate(entries):
        name = f'images[{index}]'
        entry['file_name'] = image_name(path, index, entry)
        sizes = [_side(path, name, entry, key) for key in ('height', 'width')]
        if None in sizes:
            bare.append(entry)
    if root is not None:
        names = [entry['file_name'] for entry in entries]
        names = check_files(Path(root), names, f'that {path} lists')
        for entry, name in zip(entries, names):
            entry['file_name'] = name
        _read_sizes(path, Path(root), bare)
    names = set()
    for entry in entries:
        unique(path, names, entry['file_name'], 'images with file_name')
        names.add(entry['file_name'])
    return found


def _side(path: Any, name: str, entry: dict, key: str) -> int | None:
    """Height or width of a picture; None if the file does not say it."""
    value = entry.get(key)
    if value is None:
        entry.pop(key, None)
        return None
    if type(value) is float and value.is_integer():
        value = entry[key] = int(value)
    if type(value) is not int:
        raise ValueError(
            f'{path}: {name} has {key}={value!r:.60}; expected int.'
        )
    if value < 1:
        raise ValueError(
            f'{path}: {name} has {key}={value}; expected 1 or more.'
        )
    return value


def _read_sizes(path: Any, root: Path, entries: Sequence[dict]) -> None:
    damaged = []
    for entry in entries:
        try:
            size = read_size(root / entry['file_name'])
            entry.update(height=size[0], width=size[1])
        except UnreadableImage:
            damaged.append(entry['file_name'])
    if damaged:
        raise ValueError(
            f'{path} says no height and width of {len(damaged)} pictures that '
            f'cannot be read: {some(damaged)}. Replace them, or take them out '
            'of images.'
        )
    if entries:
        print_log(
            f'{path} does not say how large {len(entries)} pictures are; '
            'their sizes were read from the files.',
            logger='current',
        )


def _check_annotations(
    path: Any,
    entries: list,
    images: EntriesById,
    categories: EntriesById | None,
) -> None:
    """Check ``annotations`` and complete them; ``None`` knows no category.

    Entries as COCO's own are passed in one look; only others are taken apart.
    """
    image_kind, category_kind = images.kind, getattr(categories, 'kind', None)
    infinite = math.inf

    def as_usual(entry: dict) -> bool:
        try:
            x, y, width, height = entry['bbox']
            masks = entry.get('segmentation')
            return (
                type(entry['image_id']) is image_kind
                and entry['image_id'] in images
                and (
                    categories is None
                    or type(entry['category_id']) is category_kind
                    and entry['category_id'] in categories
                )
                and type(x) in _NUMBERS
                and type(y) in _NUMBERS
                and type(width) in _NUMBERS
                and type(height) in _NUMBERS
                and -infinite < x + y + width + height < infinite
                and 0 < entry['area'] < infinite
                and type(entry.setdefault('iscrowd', 0)) is int
                and 0 <= entry['iscrowd'] <= 1
                and (
                    not masks or type(masks) is dict or type(masks[0]) is list
                )
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return False

    for index, entry in enumerate(entries):
        if not as_usual(entry):
            _complete(path, index, entry, images, categories)
    _number(path, entries)
    _check_corners(path, entries, images)


def _complete(
    path: Any,
    index: int,
    entry: Any,
    images: EntriesById,
    categories: EntriesById | None,
) -> None:
    """Fill in what is missing, refuse what is wrong."""
    where = f'annotations[{index}]'
    typed(path, entry, where, {})
    name = f'annotation {entry["id"]}' if 'id' in entry else where
    image = images.find(where, name, entry, 'image_id')
    if categories is not None:
        categories.find(where, name, entry, 'category_id')
    check_box(path, name, entry.get('bbox'))
    crowd = entry.get('iscrowd')
    if crowd not in (None, 0, 1):
        raise ValueError(
            f'{path}: {name} has iscrowd={crowd!r:.60}; expected 0 or 1.'
        )
    entry['iscrowd'] = int(crowd or 0)
    masks = entry.get('segmentation')
    if isinstance(masks, list) and masks and _is_polygon(masks):
        entry['segmentation'] = [masks]
    _fill_area(path, name, entry, images[image])


def _is_polygon(points: list) -> bool:
    """Whether these are x, y of three points or more, in one flat list."""
    numbers = all(type(p) in _NUMBERS for p in points)
    return numbers and len(points) >= 6 and len(points) % 2 == 0


def _fill_area(path: Any, name: str, entry: dict, image: dict) -> None:
    area = entry.get('area') or 0
    if type(area) not in _NUMBERS or not 0 <= area < math.inf:
        raise ValueError(
            f'{path}: {name} has area={area!r:.60}; expected a number of '
            'pixels, or none.'
        )
    if not area:
        x, y, width, height = entry['bbox']
        area = _mask_area(entry.get('segmentation'), image)
        if not 0 < area < math.inf:
            area = max(width, 0) * max(height, 0)
    entry['area'] = area


def _mask_area(masks: Any, image: Mapping[str, Any]) -> float:
    """Pixels of a mask; 0 if there is none, or none that can be decoded.

    Of polygons their geometric areas, as COCO's own files have it.
    """
    if isinstance(masks, list):
        polygons = [p for p in masks if isinstance(p, list) and _is_polygon(p)]
        return sum(map(_polygon_area, polygons))
    size = image.get('height'), image.get('width')
    if not masks or None in size or check_segmentation(masks, *size):
        return 0
    if isinstance(masks['counts'], list):
        return sum(masks['counts'][1::2])
    return int(coco_mask.area(masks))


def _polygon_area(points: list) -> float:
    x, y = points[::2], points[1::2]
    forth = sum(map(mul, x, y[1:] + y[:1]))
    back = sum(map(mul, y, x[1:] + x[:1]))
    return abs(forth - back) / 2


def _number(path: Any, entries: list) -> None:
    """Ids of annotations are unique; where there are none, they count."""
    if not any('id' in entry for entry in entries):
        for number, entry in enumerate(entries, 1):
            entry['id'] = number
        return
    ids = {entry.get('id') for entry in entries if _hashable(entry.get('id'))}
    plain = all(type(i) is int for i in ids)
    if not plain or len(ids) < len(entries):
        EntriesById(path, 'annotations', entries)  # says which


def _hashable(value: Any) -> bool:
    return not isinstance(value, list | dict)


def _check_corners(path: Any, entries: list, images: EntriesById) -> None:
    """Refuse a file whose boxes are all two corners, not corner and size.

    Read as COCO means it, some of them would leave their pictures; real
    files never have all widths beyond x and all heights beyond y.
    """
    looked_at, beyond = 0, []
    for entry in entries[:: max(len(entries) // _LOOKED_AT, 1)]:
        x, y, width, height = entry['bbox']
        image = images[entry['image_id']]
        size = image.get('width'), image.get('height')
        if None in size or width <= 0 or height <= 0:
            continue
        if not (x < width <= size[0] + 1 and y < height <= size[1] + 1):
            return
        looked_at += 1
        if x + width > size[0] + 1 or y + height > size[1] + 1:
            beyond.append(f'annotation {entry["id"]}')
    if beyond and looked_at >= _FEWEST:
        raise ValueError(
            f'{path}: bbox seems to be x0, y0, x1, y1: {len(beyond)} of '
            f'{looked_at} boxes would leave their pictures ({some(beyond)}), '
            'and none would as two corners. Expected x, y, width, height.'
        )
