"""Entries of COCO's json files by their ids, whatever these are."""

from typing import Any

from .coco_json import some, typed, unique

__all__ = ['EntriesById']


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
