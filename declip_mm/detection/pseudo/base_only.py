"""Annotations of base classes alone, which is all that pseudo labels see."""

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ...datasets.coco_file import read_coco
from ...datasets.coco_json import some

__all__ = [
    'base_annotations',
    'check_base_only',
    'novel_names',
    'read_base_only',
]


def novel_names(categories: list[dict]) -> list[str]:
    """Names that a file marks as novel: ``novel``, or LVIS's rare ones."""
    return [
        c['name']
        for c in categories
        if c.get('novel') or c.get('frequency') == 'r'
    ]


def base_annotations(content: dict, novel: Collection[str]) -> dict:
    """A file in COCO's format without any annotation of a novel class.

    Args:
        content: Of a file, checked, with the classes of the data set.
        novel: Names without annotations.

    Returns:
        The pictures with an object of a base class and these objects, which
        keep box and class alone: no mask and no caption of the source stays.
        Novel categories are listed and marked, so that every later step can
        refuse their annotations.
    """
    ids = {c['id'] for c in content['categories'] if c['name'] not in novel}
    notes = [
        {
            key: note[key]
            for key in (
                'id',
                'image_id',
                'category_id',
                'bbox',
                'area',
                'iscrowd',
            )
        }
        for note in content['annotations']
        if note['category_id'] in ids
    ]
    shown = {note['image_id'] for note in notes}
    keys = ('id', 'file_name', 'height', 'width')
    images = [
        {key: image[key] for key in keys if key in image}
        for image in content['images']
        if image['id'] in shown
    ]
    categories = [
        dict(id=c['id'], name=c['name'], novel=c['id'] not in ids)
        for c in content['categories']
    ]
    return dict(images=images, annotations=notes, categories=categories)


def check_base_only(path: Any, content: dict) -> None:
    """Refuse a file from which novel objects could leak into pseudo labels.

    Raises:
        ValueError: It has annotations of novel classes, or does not say
            which classes are novel.
    """
    novel = novel_names(content['categories'])
    remedy = (
        'Make a file of base annotations with '
        'tools/dataset_converters/pseudo_labels.py base.'
    )
    if not novel:
        raise ValueError(
            f'{path} marks none of its {len(content["categories"])} '
            'categories as novel, so nobody can tell whether it has '
            f'annotations of such. {remedy}'
        )
    names = {c['id']: c['name'] for c in content['categories']}
    counts = Counter(names[n['category_id']] for n in content['annotations'])
    leaks = [f'{name} ({counts[name]})' for name in novel if counts[name]]
    if leaks:
        raise ValueError(
            f'{path} has annotations of {len(leaks)} novel classes: '
            f'{some(leaks, 8)}. Pseudo labels may be made from base classes '
            f'only. {remedy}'
        )


def read_base_only(path: str | Path, root: str | Path | None = None) -> dict:
    """Content of a json, checked as all others are, and base-only.

    Args:
        path: Of the file.
        root: Folder of the pictures; None does not look for them.

    Raises:
        FileNotFoundError, ValueError: See
            :func:`~declip_mm.datasets.coco_file.read_coco` and
            :func:`check_base_only`.
    """
    content = read_coco(path, root)
    check_base_only(path, content)
    return content
