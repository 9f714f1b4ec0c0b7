"""One array on disk with what a frozen teacher said, and of what."""

import atexit
import fcntl
import json
import math
import os
import shutil
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor

from ..checkpoint import atomically

__all__ = ['CacheFile', 'in_half']


def in_half(features: Tensor) -> Tensor:
    """What a cache stores of features.

    Raises:
        ValueError: A value is NaN or beyond half precision; it would come
            back as a NaN loss, epochs later.
    """
    stored = features.half()
    if not bool(stored.isfinite().all()):
        raise ValueError(
            'a teacher gave features that half precision cannot hold (from '
            f'{features.min().item():g} to {features.max().item():g}; allowed '
            'are -65504 to 65504). Train without a cache, or take features '
            "that are normalised (norm='plain' of a VFMTeacher)."
        )
    return stored


class CacheFile:
    """Half-precision rows, each under a key, and which of them are filled.

    ``PATH.npy`` is the array, ``PATH.filled.npy`` the flags, ``PATH.json``
    the fingerprint. The arrays are memory maps: processes on one machine
    share them and may fill them together. A flag is written when its row is
    on the disk, so that a killed process or machine leaves no empty row that
    counts as filled.

    Keys are numbers from 0 on. Row i belongs to key i, and later keys have
    none; or ``PATH.keys.npy`` lists, in order, the keys that have rows.

    Args:
        path: The array file.

    Attributes:
        is_open: Whether there are the maps.
        array, filled: The maps; the axes of ``filled`` lead in ``array``.
        fields: The fingerprint as it was when the maps were made.
        patience: Seconds until rows are brought to the disk.
    """

    patience = 5.0
    is_open = False
    array: np.memmap
    filled: np.memmap
    fields: dict[str, Any]

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._pending: list[np.ndarray] = []
        self._flushed = -math.inf

    def __del__(self) -> None:
        if getattr(self, '_pending', None):
            self.flush()

    def __getstate__(self) -> dict[str, Any]:
        # a pickled map would be a copy; another process maps the file
        return dict(path=self.path, patience=self.patience)

    def __setstate__(self, state: dict[str, Any]) -> None:
        CacheFile.__init__(self, state['path'])
        self.patience = state['patience']

    def _side(self, suffix: str) -> Path:
        return self.path.with_suffix(suffix)

    @property
    def exists(self) -> bool:
        return self.path.is_file()

    @property
    def fingerprint(self) -> dict[str, Any]:
        return json.loads(self._side('.json').read_text('utf-8'))

    def note(self, **fields: Any) -> None:
        """Add plain values to the fingerprint."""
        fields = dict(self.fingerprint, **fields)
        with atomically(self._side('.json')) as part:
            part.write_text(json.dumps(fields), 'utf-8')

    # files ------------------------------------------------------------------
    def open(self, expected: dict[str, Any], writable: bool) -> None:
        """Map the arrays; a fingerprint field that differs is an error.

        Args:
            expected: Fields that are None here or missing in the file are
                not compared.
            writable: Whether rows are going to be added.
        """
        theirs = self.fingerprint
        wrong = [
            f'{key}: cache has {theirs[key]!r}, run has {value!r}'
            for key, value in expected.items()
            if value is not None and key in theirs and theirs[key] != value
        ]
        if wrong:
            raise ValueError(
                f'feature cache {self.path} was made for something else: '
                f'{"; ".join(wrong)}. Name another path or delete it.'
            )
        self.fields = theirs
        mode: Literal['r+', 'r'] = 'r+' if writable else 'r'
        self.array = np.load(self.path, mmap_mode=mode)
        self.filled = np.load(self._side('.filled.npy'), mmap_mode=mode)
        row = self.array.shape[self.filled.ndim :]
        self._rows = self.array.reshape(-1, *row)
        self._flags = self.filled.reshape(-1)
        self._keys = self._map('.keys.npy', 'r')
        self._notes = {
            name: self._map(f'.{name}.npy', mode)
            for name in theirs.get('notes', ())
        }
        if writable:
            atexit.register(_flush, weakref.ref(self))
        self.is_open = True

    def _map(self, suffix: str, mode: Literal['r+', 'r']) -> Any:
        path = self._side(suffix)
        return np.load(path, mmap_mode=mode) if path.is_file() else None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Others that want this wait; a killed process holds up nobody."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._side('.lock'), 'w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def check_room(self, size: int) -> None:
        """Refuse an array of more bytes than the disk has left.

        Raises:
            ValueError: Names both sizes.
        """
        folder = self.path.absolute().parent
        while not folder.is_dir():
            folder = folder.parent
        free = shutil.disk_usage(folder).free
        if size > free:
            raise ValueError(
                f'feature cache {self.path} takes {size / 2**30:.3f} GiB, and '
                f'{free / 2**30:.3f} GiB are free there. Name a path on '
                'another disk, or let it keep less (max_gib, --max-gib; for '
                'maps also components, --components).'
            )

    def create(
        self,
        shape: tuple[int, ...],
        fingerprint: dict[str, Any],
        axes: int = 1,
        keys: np.ndarray | None = None,
        notes: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        """Make empty arrays.

        Args:
            shape: Of the whole array.
            fingerprint: Plain values.
            axes: How many leading axes choose a row.
            keys: In order, of the rows; None counts.
            notes: Shape of a row of further arrays of float32.

        Raises:
            ValueError: The disk has no room for it.
        """
        size = 2 * int(np.prod(shape))
        self.check_room(size)
        print_log(
            f'feature cache {self.path}: {size / 2**30:.3f} GiB',
            logger='current',
        )
        rows, notes = shape[:axes], notes or {}
        if keys is not None:
            _make(self._side('.keys.npy'), keys.shape, np.int64, keys)
        else:  # of an older one, whose array was deleted
            self._side('.keys.npy').unlink(missing_ok=True)
        for name, more in notes.items():
            _make(self._side(f'.{name}.npy'), (*rows, *more), np.float32)
        _make(self._side('.filled.npy'), rows, bool)
        with atomically(self._side('.json')) as part:
            fields = dict(fingerprint, notes=list(notes)) if notes else None
            part.write_text(json.dumps(fields or fingerprint), 'utf-8')
        # Last, for its presence says that the others are there.
        _make(self.path, shape, np.float16)
        self.open({}, True)

    # rows -------------------------------------------------------------------
    def _slots(self, keys: np.ndarray) -> np.ndarray:
        """Which rows belong to keys; -1 where none does."""
        if self._keys is None:
            return np.where(keys < len(self._flags), keys, -1)
        place = np.searchsorted(self._keys, keys)
        place = place.clip(max=len(self._keys) - 1)
        return np.where(self._keys[place] == keys, place, -1)

    def keeps(self, keys: np.ndarray) -> np.ndarray:
        """Which of the keys have a row, be it filled or empty."""
        return self._slots(keys) >= 0

    def has(self, keys: np.ndarray) -> np.ndarray:
        """Which of the keys have a filled row."""
        slots = self._slots(keys)
        found = self._flags[slots] & (slots >= 0)
        for pending in self._pending:
            found |= np.isin(slots, pending)
        return np.asarray(found)

    def lacks(self, first: int, end: int) -> bool:
        """Whether a row of the keys from ``first`` to ``end`` is empty."""
        slots = np.arange(*self._between(first, end))
        keys = slots if self._keys is None else self._keys[slots]
        return not self.has(keys).all()

    def _between(self, first: int, end: int) -> tuple[int, int]:
        if self._keys is None:
            return min(first, len(self._flags)), min(end, len(self._flags))
        low, high = np.searchsorted(self._keys, [first, end])
        return int(low), int(high)

    def read(self, keys: np.ndarray, pinned: bool = False) -> Tensor:
        """(n, ...) float16 of keys whose rows are filled.

        Args:
            keys: (n,) int64.
            pinned: From where a GPU copies while the CPU goes on.
        """
        shape = len(keys), *self._rows.shape[1:]
        found = torch.empty(shape, dtype=torch.float16, pin_memory=pinned)
        # mode: with another one numpy would write into a copy first
        np.take(self._rows, self._slots(keys), 0, found.numpy(), mode='clip')
        return found

    def write(self, keys: np.ndarray, rows: Tensor, **notes: Tensor) -> None:
        """Fill rows; those of keys that have none are dropped.

        Args:
            keys: (n,) int64, each once.
            rows: (n, ...) float16.
            notes: Of each row, for the arrays of these names.

        Raises:
            ValueError: Rows of another shape.
        """
        if rows.shape[1:] != self._rows.shape[1:]:
            raise ValueError(
                f'feature cache {self.path} holds {_form(self._rows)} of '
                f'each picture, the teacher gave {_form(rows)}. Views '
                'must have one size; pictures of several need no cache.'
            )
        slots = self._slots(keys)
        kept = np.flatnonzero(slots >= 0)
        self._rows[slots[kept]] = rows.cpu().numpy()[kept]
        for name, values in notes.items():
            self._notes[name][slots[kept]] = values.cpu().numpy()[kept]
        self._mark(slots[kept])

    def mark(self, first: int, end: int) -> None:
        """Say that the keys from ``first`` to ``end`` need nothing more."""
        self._mark(np.arange(*self._between(first, end)))

    def _mark(self, slots: np.ndarray) -> None:
        self._pending.append(slots)
        if time.monotonic() - self._flushed >= self.patience:
            self.flush()

    def flush(self) -> None:
        """Bring rows to the disk, and then their flags."""
        if self._pending:
            for array in (self.array, *self._notes.values()):
                array.flush()
            self._flags[np.concatenate(self._pending)] = True
            self.filled.flush()
            self._pending.clear()
        self._flushed = time.monotonic()

    def notes(self, name: str) -> np.ndarray:
        """A further array, of the filled rows."""
        return self._notes[name].reshape(len(self._flags), -1)[self._flags]


def _flush(file: Callable[[], CacheFile | None]) -> None:
    """Of a process that ends."""
    if (alive := file()) is not None:
        alive.flush()


def _form(rows: Any) -> str:
    return ' x '.join(map(str, rows.shape[1:]))


def _make(
    path: Path, shape: tuple[int, ...], kind: Any, values: Any = None
) -> None:
    """Write an array, of zeros for whose bytes the disk has room."""
    with atomically(path) as part:
        array = np.lib.format.open_memmap(part, 'w+', kind, shape)
        # A map of a file with holes ends in SIGBUS when the disk gets full.
        if values is None and hasattr(os, 'posix_fallocate'):
            with part.open('r+b') as file:
                os.posix_fallocate(file.fileno(), 0, part.stat().st_size)
        elif values is not None:
            array[...] = values
        array.flush()
