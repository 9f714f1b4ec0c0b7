"""The file of pseudo-labelled unknown objects, as OV-DQUO reads it.

One flat json list; an entry is ``image_id``, ``bbox`` (x, y, width, height in
pixels), ``category_id`` -1, ``pseudo`` 1 and ``weight`` in (0, 1]. Ours have a
``score`` beside, by which rounds and weights are made.
"""

import json
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ...checkpoint import atomically
from ...datasets.coco_json import check_box, some, typed
from ..ov_dquo.targets import PSEUDO_LABEL

__all__ = [
    'check_pictures',
    'label_entry',
    'read_labels',
    'write_labels',
]


def label_entry(
    image_id: Any, bbox: Iterable[float], score: float, weight: float = 1.0
) -> dict:
    """An entry; numbers are rounded to what they are worth."""
    return dict(
        image_id=image_id,
        bbox=[round(float(v), 2) for v in bbox],
        category_id=PSEUDO_LABEL,
        pseudo=1,
        score=round(float(score), 5),
        weight=round(float(weight), 5),
    )


def write_labels(path: str | Path, entries: list[dict]) -> None:
    """Write entries, whole or not at all."""
    with atomically(path) as part:
        part.write_text(json.dumps(entries) + '\n', 'utf-8')


def read_labels(path: str | Path) -> dict[Any, list[dict]]:
    """Entries by picture, checked; ``weight`` is 1 where it is missing.

    Raises:
        FileNotFoundError, ValueError: Names the file, the entry and what is
            allowed. An entry of a known class is refused: the file would
            carry annotations around the split of base and novel.
    """
    found: dict[Any, list[dict]] = defaultdict(list)
    for index, entry in enumerate(_read(path)):
        name = f'entry {index}'
        typed(path, entry, name, {})
        check_box(path, name, entry.get('bbox'))
        _check(path, name, entry)
        entry.setdefault('weight', 1.0)
        found[entry['image_id']].append(entry)
    return dict(found)


def check_pictures(
    path: Any, labels: Mapping[Any, list], image_ids: Collection
) -> None:
    """Refuse labels of pictures that an annotation file does not list.

    Raises:
        ValueError: They were made for another file.
    """
    strangers = [image for image in labels if image not in image_ids]
    if strangers:
        raise ValueError(
            f'{path} has boxes of {len(strangers)} pictures that the '
            f'annotation file does not list, such as {some(strangers)}. Give '
            'the pseudo labels that were made for it.'
        )


def _read(path: str | Path) -> list:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'pseudo-label file {path} does not exist. Check pseudo_file, or '
            'make it with tools/dataset_converters/pseudo_labels.py.'
        )
    try:
        content = json.loads(path.read_text('utf-8'))
    except ValueError as error:
        raise ValueError(
            f'{path} is no json file in UTF-8: {error}.'
        ) from error
    if not isinstance(content, list):
        raise ValueError(
            f'{path} holds a {type(content).__name__}; expected the list of '
            'pseudo labels that pseudo_labels.py filter writes.'
        )
    return content


def _check(path: Any, name: str, entry: dict) -> None:
    if 'image_id' not in entry:
        raise ValueError(f'{path}: {name} has no image_id.')
    if min(entry['bbox'][2:]) <= 0:
        raise ValueError(
            f'{path}: {name} has bbox={entry["bbox"]}; expected a width and '
            'a height above 0.'
        )
    for key, wanted in (('category_id', PSEUDO_LABEL), ('pseudo', 1)):
        if entry.get(key) != wanted:
            got = f'{key}={entry[key]!r:.40}' if key in entry else f'no {key}'
            raise ValueError(
                f'{path}: {name} has {got}; expected {wanted}, for a pseudo '
                'label has no class. Annotations belong into ann_file.'
            )
    weight = entry.get('weight', 1.0)
    right = type(weight) in (int, float) and math.isfinite(weight)
    if not right or not 0 < weight <= 1:
        raise ValueError(
            f'{path}: {name} has weight={weight!r:.40}; expected a number '
            'above 0, at most 1.'
        )
