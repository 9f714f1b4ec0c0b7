"""Reading json files that may be anything: their lists, ids and boxes."""

import gc
import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from .decoding import printable

__all__ = [
    'EntriesById',
    'check_box',
    'clip_box',
    'log_skipped',
    'read_json',
    'some',
    'typed',
    'unique',
    'without_collecting',
]

_NUMBERS = (int, float)


def some(names: Iterable[Any], most: int = 3) -> str:
    """The first names of many, and how many more there are."""
    names = [printable(n) if isinstance(n, str) else str(n) for n in names]
    more = len(names) - most
    return ', '.join(names[:most]) + (f' and {more} more' * (more > 0))


def log_skipped(source: Any, skipped: Mapping[str, Sequence[Any]]) -> None:
    """One warning for each reason: how many were left out, and which.

    Args:
        source: File that they are in.
        skipped: Reason -> names.
    """
    for reason, names in skipped.items():
        print_log(
            f'{source}: {len(names)} left out, {reason}: {some(names)}.',
            logger='current',
            level=logging.WARNING,
        )


@contextmanager
def without_collecting() -> Iterator[None]:
    """Millions of small objects that all stay need no garbage collection.

    It would look at all of them, over and over.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def read_json(
    path: str | Path, keys: Sequence[str], optional: Sequence[str] = ()
) -> dict:
    """A json file that must hold an object with some lists.

    Args:
        path: Of the file, in UTF-8, with a byte order mark or without.
        keys: Of the lists.
        optional: Those of them that may be missing; they become empty.

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
        with without_collecting():
            text = path.read_text('utf-8').removeprefix('\ufeff')
            content = json.loads(text)
    except ValueError as error:
        raise ValueError(
            f'{path} is no json file in UTF-8: {error}.'
        ) from error
    except RecursionError:
        raise ValueError(
            f'{path} is nested deeper than any COCO file; expected an object '
            f'with {", ".join(keys)}.'
        ) from None
    if not isinstance(content, dict):
        raise ValueError(
            f'{path} holds a {type(content).__name__}; expected an object '
            f'with {", ".join(keys)} as COCO has it.'
        )
    for key in keys:
        if key in optional and key not in content:
            content[key] = []
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


def check_box(path: Any, name: str, bbox: Any) -> None:
    """Refuse what is not the four finite numbers of COCO's ``bbox``."""
    if (
        not isinstance(bbox, list)
        or len(bbox) != 4
        or not all(type(v) in _NUMBERS for v in bbox)
        or not all(map(math.isfinite, bbox))
    ):
        raise ValueError(
            f'{path}: {name} has bbox={bbox!r:.60}; expected four numbers x, '
            'y, width, height.'
        )


def clip_box(
    bbox: Sequence[float],
    size: tuple[int, int],
    area: tuple[float, float] = (0, math.inf),
) -> tuple[list, str]:
    """A box of COCO on its picture.

    Args:
        bbox: x, y, width, height.
        size: (height, width) of the picture.
        area: Least and most of the clipped box, in pixels.

    Returns:
        x0 y0 x1 y1 clipped to the picture, and an empty string; or an empty
        list and why the box is of no use.
    """
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


class EntriesById(dict):
    """Entries by their ids, which become whole numbers where they can.

    Args:
        path: Of the file, for messages.
        what: List that the entries are in.
        entries: Objects with an ``id`` each.
    """

    def __init__(self, path: Any, what: str, entries: list) -> None:
        super().__init__()
        self.path, self.what = path, what
        for index, entry in enumerate(entries):
            typed(path, entry, f'{what}[{index}]', {})
        ids = [entry.get('id') for entry in entries]
        self.texts = bool(ids) and all(type(i) is str for i in ids)
        self.digits = self.texts and all(map(_is_number, ids))
        for index, entry in enumerate(entries):
            number = self.take(f'{what}[{index}]', entry, 'id')
            unique(path, self, number, f'{what} with id')
            self[number] = entry

    @property
    def kind(self) -> type:
        """Type of the keys."""
        return str if self.texts and not self.digits else int

    def take(self, name: str, entry: dict, key: str) -> Any:
        """The id under a key of an entry, which gets it in our form.

        Raises:
            ValueError: It is missing, or of another kind than the ids here.
        """
        value = entry.get(key)
        if self.texts:
            right = type(value) is str
            if self.digits and right and _is_number(value):
                value = int(value)
        else:
            right = type(value) is int
            if type(value) is float and value.is_integer():
                right, value = True, int(value)
        if not right:
            got = f'{key}={value!r:.60}' if key in entry else f'no {key}'
            kind = 'str' if self.texts else 'int'
            raise ValueError(
                f'{self.path}: {name} has {got}; expected {kind}, as ids of '
                f'{self.what} are here.'
            )
        entry[key] = value
        return value

    def find(self, where: str, name: str, entry: dict, key: str) -> Any:
        """As :meth:`take`, of something that is here.

        Args:
            where, name: What to call the entry where its id is of no kind
                that is known, and where it points nowhere.
            entry, key: As there.
        """
        number = self.take(where, entry, key)
        if number not in self:
            raise ValueError(
                f'{self.path}: {name} has {key}={number!r}, which is none of '
                f'its {self.what}: {some(sorted(self), 6)}. Add it there, or '
                f'remove {name}.'
            )
        return number


def _is_number(text: str) -> bool:
    """Whether a text is how a whole number is written, without padding."""
    digits = text.isascii() and text.isdigit() and len(text) < 20
    return digits and str(int(text)) == text
