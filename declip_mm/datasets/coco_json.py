"""Reading COCO json files that may be anything."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .decoding import printable

__all__ = [
    'clip_box',
    'images_by_id',
    'read_json',
    'some',
    'typed',
    'unique',
]


def some(names: Iterable[Any], most: int = 3) -> str:
    """The first names of many, and how many more there are."""
    names = [printable(n) if isinstance(n, str) else str(n) for n in names]
    more = len(names) - most
    return ', '.join(names[:most]) + (f' and {more} more' * (more > 0))


def read_json(path: str | Path, keys: Sequence[str]) -> dict:
    """A json file that must hold an object with some lists.

    Raises:
        FileNotFoundError, ValueError: Names the file and what is wrong.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'annotation file {path} does not exist. Check data_root and '
            'ann_file.'
        )
    try:
        content = json.loads(path.read_text('utf-8'))
    except ValueError as error:
        raise ValueError(
            f'{path} is no json file in UTF-8: {error}.'
        ) from error
    if not isinstance(content, dict):
        raise ValueError(
            f'{path} holds a {type(content).__name__}; expected an object '
            f'with {", ".join(keys)} as COCO has it.'
        )
    for key in keys:
        if not isinstance(content.get(key), list):
            there = some(sorted(content), 6) or 'nothing'
            kind = type(content.get(key)).__name__
            raise ValueError(
                f'{path} has no list {key!r}: '
                + (f'it is a {kind}.' if key in content else f'only {there}.')
            )
    return content


def typed(path: Any, entry: Any, what: str, types: dict[str, type]) -> dict:
    """The entry itself; its keys have to be there and of these types."""
    if not isinstance(entry, dict):
        raise ValueError(f'{path}: {what} is no object, got {entry!r:.80}')
    for key, kind in types.items():
        value = entry.get(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            got = f'{key}={value!r:.60}' if key in entry else f'no {key}'
            raise ValueError(
                f'{path}: {what} has {got}; expected {kind.__name__}.'
            )
    return entry


def unique(path: Any, seen: Any, key: Any, what: str) -> None:
    """Refuse a key that was seen before."""
    if key in seen:
        raise ValueError(
            f'{path} has two {what} {key!r}; which one is meant? Remove one.'
        )


def images_by_id(path: Any, entries: list) -> dict[int, dict]:
    """``images`` of a COCO json: id -> name, size and an empty ``regions``."""
    keys = dict(id=int, file_name=str, height=int, width=int)
    found: dict[int, dict] = {}
    for index, entry in enumerate(entries):
        entry = typed(path, entry, f'images[{index}]', keys)
        unique(path, found, entry['id'], 'images with id')
        for key in ('height', 'width'):
            if entry[key] < 1:
                raise ValueError(
                    f'{path}: images[{index}] has {key}={entry[key]}; '
                    'expected 1 or more.'
                )
        if not entry['file_name']:
            raise ValueError(
                f"{path}: images[{index}] has file_name=''; expected the "
                'name of a picture.'
            )
        found[entry['id']] = dict(
            file_name=entry['file_name'],
            height=entry['height'],
            width=entry['width'],
            regions=[],
        )
    return found


def clip_box(
    path: Any,
    name: str,
    bbox: Any,
    size: tuple[int, int],
    area: tuple[float, float],
) -> tuple[list, str]:
    """A box of COCO on its picture.

    Args:
        path, name: Of the file and the region, for the message.
        bbox: x, y, width, height.
        size: (height, width) of the picture.
        area: Least and most of the clipped box, in pixels.

    Returns:
        x0 y0 x1 y1 clipped to the picture, and an empty string; or an empty
        list and why the box is of no use.

    Raises:
        ValueError: These are not four finite numbers.
    """
    if (
        not isinstance(bbox, list)
        or len(bbox) != 4
        or not all(type(v) in (int, float) for v in bbox)
        or not all(map(math.isfinite, bbox))
    ):
        raise ValueError(
            f'{path}: {name} has bbox={bbox!r:.60}; expected four numbers x, '
            'y, width, height.'
        )
    x, y, width, height = bbox
    if width <= 0 or height <= 0:
        return [], 'without area'
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + width, size[1]), min(y + height, size[0])
    if x1 <= x0 or y1 <= y0:
        return [], 'outside the picture'
    if not area[0] <= (x1 - x0) * (y1 - y0) <= area[1]:
        return [], f'area not in {area[0]:g} to {area[1]:g} px'
    return [x0, y0, x1, y1], ''
