"""One array on disk with what a frozen teacher said, and of what."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from mmengine import dist
from mmengine.logging import print_log

from .teachers import FrozenTeacher

__all__ = ['CacheFile', 'CachedTeacher', 'in_half']


def weights_digest(teacher: torch.nn.Module) -> str:
    """Short sha256 of all parameters, whatever file they came from."""
    digest = hashlib.sha256()
    for name, parameter in sorted(teacher.named_parameters()):
        digest.update(name.encode())
        digest.update(parameter.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def in_half(features: torch.Tensor) -> torch.Tensor:
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
    """Half-precision rows, and which of them are filled.

    ``PATH.npy`` is the array, ``PATH.filled.npy`` the flags, ``PATH.json``
    the fingerprint. Both arrays are memory maps: processes on one machine
    share them.

    Args:
        path: The array file.

    Attributes:
        is_open: Whether there are the maps, ``array`` and ``filled``.
    """

    is_open = False
    array: np.memmap
    filled: np.memmap

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __getstate__(self) -> dict[str, Any]:
        # a pickled map would be a copy; another process maps the file
        return dict(path=self.path)

    def _side(self, suffix: str) -> Path:
        return self.path.with_suffix(suffix)

    @property
    def exists(self) -> bool:
        return self.path.is_file()

    @property
    def fingerprint(self) -> dict[str, Any]:
        return json.loads(self._side('.json').read_text('utf-8'))

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
        mode: Literal['r+', 'r'] = 'r+' if writable else 'r'
        self.array = np.load(self.path, mmap_mode=mode)
        self.filled = np.load(self._side('.filled.npy'), mmap_mode=mode)
        self.is_open = True

    def create(
        self,
        shape: tuple[int, ...],
        fingerprint: dict[str, Any],
        keys: int = 1,
    ) -> None:
        """Make empty arrays.

        Args:
            shape: Of the whole array.
            fingerprint: Plain values.
            keys: How many leading axes choose a row.
        """
        if dist.get_world_size() > 1:
            raise RuntimeError(
                f'feature cache {self.path} does not exist, and several '
                'processes cannot create it at once. Fill it first: '
                'python tools/misc/cache_teachers.py CONFIG.'
            )
        print_log(
            f'feature cache {self.path}: {np.prod(shape) * 2 / 2**30:.3f} GiB',
            logger='current',
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        make = np.lib.format.open_memmap
        self.filled = make(self._side('.filled.npy'), 'w+', bool, shape[:keys])
        part = self._side('.json.part')
        part.write_text(json.dumps(fingerprint), 'utf-8')
        os.replace(part, self._side('.json'))
        # Last, for its presence says that the others are there.
        self.array = make(self.path, 'w+', np.float16, shape)
        self.is_open = True

    def flush(self) -> None:
        self.array.flush()
        self.filled.flush()


def rows_of(data_samples: list, path: Path) -> tuple[np.ndarray, Any]:
    """Row numbers of samples, and the list of pictures that they count in.

    Raises:
        ValueError: Samples of several lists (a ``ConcatDataset``): the same
            number would stand for several pictures.
    """
    sources = {sample.get('source') for sample in data_samples}
    if len(sources) > 1:
        raise ValueError(
            f'feature cache {path} got pictures of several lists in one '
            f'batch: {sorted(map(str, sources))}. Each data set of a '
            'ConcatDataset counts its own pictures, so put all of them into '
            'one folder or one json, or train without the cache.'
        )
    ids = np.array([sample.img_id for sample in data_samples], dtype=np.int64)
    return ids, sources.pop() if sources else None


class CachedTeacher(FrozenTeacher):
    """What caches of both teachers share.

    Args:
        path: Array file (``.npy``); ``.json`` and ``.filled.npy`` beside it.
        teacher: The teacher itself, or None to read an existing cache only.
        num_images: Length of the whole list of pictures, to create a cache.
    """

    #: Leading axes of the array that choose a row.
    keys = 1
    #: What a row is called in messages.
    what = 'features'

    def __init__(
        self,
        path: str,
        teacher: FrozenTeacher | None,
        num_images: int | None,
    ) -> None:
        super().__init__()
        self.file = CacheFile(path)
        self.num_images = num_images
        self.teacher = teacher
        self._source: Any = None
        if teacher is None and not self.file.exists:
            raise FileNotFoundError(
                f'feature cache {path} does not exist and no teacher is given '
                'to fill it.'
            )
        stored = {} if teacher is not None else self.file.fingerprint
        for name, default in (
            ('pixel_mean', (0.485, 0.456, 0.406)),
            ('pixel_std', (0.229, 0.224, 0.225)),
        ):
            own = getattr(teacher, name, stored.get(name, default))
            setattr(self, name, tuple(own))
        self.freeze()

    @property
    def path(self) -> Path:
        return self.file.path

    def _mark(self) -> dict[str, Any]:
        """What decides the stored values, as far as this run knows it."""
        teacher = None
        if self.teacher is not None:
            own = dict(getattr(self.teacher, 'fingerprint', {}))
            own.pop('pretrained', None)  # the digest knows better
            teacher = dict(own, weights=weights_digest(self.teacher))
        return dict(teacher=teacher, num_images=self.num_images)

    def _rows(self, data_samples: list, **more: Any) -> np.ndarray:
        """Row numbers; opens the file at the first call, checks the list."""
        ids, source = rows_of(data_samples, self.path)
        if not self.file.is_open and self.file.exists:
            expected = dict(self._mark(), source=source, **more)
            self.file.open(expected, self.teacher is not None)
            self._source = self.file.fingerprint.get('source')
        if None not in (source, self._source) and source != self._source:
            raise ValueError(
                f'feature cache {self.path} holds {self._source}, but this '
                f'picture is of {source}: each data set counts its own '
                'pictures. Use one cache for each list.'
            )
        return ids

    @torch.no_grad()
    def _look_up(
        self,
        rows: tuple[np.ndarray, ...],
        inputs: torch.Tensor | None,
        data_samples: list,
        **more: Any,
    ) -> torch.Tensor:
        """What is stored of some rows; asks the teacher where one is empty.

        Args:
            rows: Positions on each of the leading axes that choose a row.
            inputs: What the teacher would look at.
            data_samples: Of the inputs.
            more: Fields of the fingerprint, should this call make the file.

        Raises:
            KeyError: A row is missing, and so is the teacher or its input.
        """
        missing = np.ones(len(rows[0]), dtype=bool)
        if self.file.is_open:
            missing = ~self.file.filled[rows]
            if not missing.any():
                found = torch.from_numpy(self.file.array[rows])
                device = data_samples[0].valid_hw.device
                return found.to(device, torch.float32)
        if self.teacher is None or inputs is None:
            raise self._lost(np.unique(rows[0][missing]))
        found = in_half(self.teacher(inputs, data_samples))
        if not self.file.is_open:
            self._create(self._shape(found), data_samples, **more)
        self.file.array[rows] = found.cpu().numpy()
        self.file.filled[rows] = True
        # What is returned must not depend on whether the cache was warm.
        return found.float()

    def _shape(self, found: torch.Tensor) -> tuple[int, ...]:
        """Of an image's part of the array, by what a teacher gave."""
        return tuple(found.shape[1:])

    def _create(
        self, shape: tuple[int, ...], data_samples: list, **more: Any
    ) -> None:
        if not self.num_images:
            raise ValueError(
                'num_images must be the length of the data set to create a '
                f'feature cache, got {self.num_images!r}.'
            )
        self._source = data_samples[0].get('source')
        mark = dict(
            self._mark(),
            source=self._source,
            pixel_mean=self.pixel_mean,
            pixel_std=self.pixel_std,
            **more,
        )
        mark = {k: v for k, v in mark.items() if v is not None}
        self.file.create((self.num_images, *shape), mark, self.keys)

    def _lost(self, ids: np.ndarray) -> KeyError:
        names = ids[:20].tolist()
        return KeyError(
            f'feature cache {self.path} has no {self.what} of images {names}'
            f'{" ..." * (len(ids) > 20)} and '
            + (
                'no teacher is given to compute them.'
                if self.teacher is None
                else 'the views bring nothing to compute them from.'
            )
            + ' Fill it: python tools/misc/cache_teachers.py CONFIG.'
        )
