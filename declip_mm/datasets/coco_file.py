"""The one checked reader of COCO's json files.

Entries are completed where they lie, and keep the keys that it does not know
(LVIS's ``frequency``, ``neg_category_ids`` and so on). A file that
contradicts itself is refused, by entry.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from .coco_annotations import check_annotations
from .coco_ids import EntriesById
from .coco_json import read_json, some, typed, unique, without_collecting
from .decoding import UnreadableImage, read_size
from .listing import check_files, image_name

__all__ = ['check_categories', 'check_images', 'read_coco']


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
        check_annotations(path, content['annotations'], images, categories)
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
