"""A frozen teacher that answers from a file where it can."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine import dist
from torch import Tensor

from .cache_file import CacheFile, in_half
from .teachers import FrozenTeacher

__all__ = ['CachedTeacher']


def weights_digest(teacher: torch.nn.Module) -> str:
    """Short sha256 of all parameters, whatever file they came from."""
    digest = hashlib.sha256()
    for name, parameter in sorted(teacher.named_parameters()):
        digest.update(name.encode())
        digest.update(parameter.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def list_of(data_samples: list, path: Path) -> Any:
    """The list of pictures that the ``img_id`` of samples count in.

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
    return sources.pop() if sources else None


class CachedTeacher(FrozenTeacher):
    """What caches of both teachers share.

    Several processes of one machine may fill one cache; the first that has
    something to store makes the files, the others wait for it.

    Args:
        path: Array file (``.npy``); ``.json`` and ``.filled.npy`` beside it.
        teacher: The teacher itself, or None to read an existing cache only.
        num_images: Length of the whole list of pictures, to create a cache.
        max_gib: Most GiB of a cache that is created: it keeps the first
            pictures of the list that fit, the others are computed each time.
        keep_teacher: False lets the teacher go, with its memory, as soon as
            its weights were compared and the views bring it nothing to see.
    """

    #: Leading axes of the array that choose a row.
    axes = 1
    #: What a row is called in messages.
    what = 'features'
    teacher: Any

    def __init__(
        self,
        path: str,
        teacher: FrozenTeacher | None,
        num_images: int | None,
        max_gib: float | None = None,
        keep_teacher: bool = True,
    ) -> None:
        super().__init__()
        if max_gib is not None and not max_gib > 0:
            raise ValueError(
                f'max_gib must be above 0, got {max_gib}: it is the most GiB '
                'that a cache takes. None keeps all pictures.'
            )
        self.file = CacheFile(path)
        self.num_images = num_images
        self.max_gib, self.keep_teacher = max_gib, keep_teacher
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

    def keys_of(self, img_id: int) -> tuple[int, int]:
        """First key of a picture, and that behind its last."""
        return img_id, img_id + 1

    def _images(self, keys: np.ndarray) -> np.ndarray:
        """Pictures of keys."""
        return keys

    def _mark(self) -> dict[str, Any]:
        """What decides the stored values, as far as this run knows it."""
        teacher = None
        if self.teacher is not None:
            own = dict(getattr(self.teacher, 'fingerprint', {}))
            own.pop('pretrained', None)  # the digest knows better
            teacher = dict(own, weights=weights_digest(self.teacher))
        return dict(teacher=teacher, num_images=self.num_images)

    def _ids(
        self, data_samples: list, inputs: Tensor | None, **more: Any
    ) -> np.ndarray:
        """Numbers of the pictures; opens the file at the first call."""
        source = list_of(data_samples, self.path)
        if not self.file.is_open and self.file.exists:
            self._open(dict(source=source, **more))
            if inputs is None and not self.keep_teacher:
                self.teacher = None
        if None not in (source, self._source) and source != self._source:
            raise ValueError(
                f'feature cache {self.path} holds {self._source}, but this '
                f'picture is of {source}: each data set counts its own '
                'pictures. Use one cache for each list.'
            )
        ids = [sample.img_id for sample in data_samples]
        return np.array(ids, dtype=np.int64)

    def _open(self, seen: dict[str, Any]) -> None:
        """Map the file, if it is of this teacher and of these views."""
        expected = dict(self._mark(), **seen)
        self.file.open(expected, self.teacher is not None)
        self._source = self.file.fields.get('source')

    @torch.no_grad()
    def _look_up(
        self,
        keys: np.ndarray,
        inputs: Tensor | None,
        data_samples: list,
        **more: Any,
    ) -> Tensor:
        """What is stored under keys; asks the teacher where nothing is.

        Args:
            keys: (n,), of the inputs.
            inputs: What the teacher would look at, (n, ...).
            data_samples: Of the pictures.
            more: Fields of the fingerprint, should this call make the file.

        Raises:
            KeyError: A row is missing, and so is the teacher or its input.
        """
        known = np.zeros(len(keys), dtype=bool)
        if self.file.is_open:
            known = self.file.has(keys)
            if known.all():
                return self._read(keys, data_samples).float()
        if self.teacher is None or inputs is None:
            raise self._lost(np.unique(self._images(keys[~known])))
        (lost,) = np.nonzero(~known)
        # What is there twice in a batch is looked at once.
        _, first, back = np.unique(
            keys[lost], return_index=True, return_inverse=True
        )
        if len(first) < len(keys):
            chosen = torch.from_numpy(lost[first]).to(inputs.device)
            inputs = inputs[chosen]
        else:  # as they are, in their order
            first = back = np.arange(len(keys))
        fresh, notes = self._ask(inputs)
        self._store(keys[lost[first]], fresh, notes, data_samples, more)
        # What is returned must not depend on whether the cache was warm.
        if len(first) == len(keys):
            return fresh.float()
        found = fresh.new_empty(len(keys), *fresh.shape[1:])
        where = torch.from_numpy(known).to(found.device)
        found[~where] = fresh[torch.from_numpy(back).to(found.device)]
        if known.any():
            found[where] = self._read(keys[known], data_samples)
        return found.float()

    def _read(self, keys: np.ndarray, data_samples: list) -> Tensor:
        """Stored rows on the device of the samples, without waiting."""
        device = data_samples[0].boxes.device
        found = self.file.read(keys, pinned=device.type == 'cuda')
        return found.to(device, non_blocking=True)

    def _ask(self, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What the teacher says, in half precision, and notes of it."""
        return in_half(self.teacher(inputs)), {}

    def _store(
        self,
        keys: np.ndarray,
        fresh: Tensor,
        notes: dict[str, Tensor],
        data_samples: list,
        more: dict[str, Any],
    ) -> None:
        self._check_machines()
        if not self.file.is_open:
            source = data_samples[0].get('source')
            with self.file.alone():
                if self.file.exists:  # another process was quicker
                    self._open(dict(source=source, **self._fields(), **more))
                else:
                    self._create(fresh, notes, source, more)
        self.file.write(keys, fresh, **notes)

    def _check_machines(self) -> None:
        """Maps of one file on several machines overwrite each other."""
        local = os.environ.get('LOCAL_WORLD_SIZE')
        if local and dist.get_world_size() > int(local):
            raise RuntimeError(
                f'feature cache {self.path} is not full, and processes of '
                'several machines cannot fill it. Fill it on one of them '
                'first (python tools/misc/cache_teachers.py CONFIG), and '
                'copy it to the others.'
            )

    def row_shape(self, found: Tensor) -> tuple[int, ...]:
        """Of a picture's part of the array, by what the teacher gave."""
        return tuple(found.shape[1:])

    def _create(
        self,
        fresh: Tensor,
        notes: dict[str, Tensor],
        source: Any,
        more: dict[str, Any],
    ) -> None:
        if not self.num_images:
            raise ValueError(
                'num_images must be the length of the data set to create a '
                f'feature cache, got {self.num_images!r}.'
            )
        self._source = source
        mark = dict(
            self._mark(),
            source=source,
            pixel_mean=self.pixel_mean,
            pixel_std=self.pixel_std,
            **self._fields(),
            **more,
        )
        kind = fresh.device.type
        if torch.is_autocast_enabled(kind):
            mark['autocast'] = str(torch.get_autocast_dtype(kind))
        self._make_file(
            self.row_shape(fresh),
            {k: v for k, v in mark.items() if v is not None},
            {name: tuple(v.shape[1:]) for name, v in notes.items()},
        )

    def _fields(self) -> dict[str, Any]:
        """Further fields of the fingerprint of a new file."""
        return {}

    def _make_file(
        self,
        row: tuple[int, ...],
        mark: dict[str, Any],
        notes: dict[str, tuple[int, ...]],
    ) -> None:
        kept = self.kept_images(2 * int(np.prod(row)))
        if kept < int(self.num_images or 0):
            mark['kept_images'] = kept
        self.file.create((kept, *row), mark, self.axes, notes=notes)

    def kept_images(self, size: int) -> int:
        """How many pictures a new cache keeps.

        Args:
            size: Bytes of a picture.

        Raises:
            ValueError: ``max_gib`` has no room for a single one.
        """
        whole = int(self.num_images or 0)
        if self.max_gib is None:
            return whole
        kept = min(whole, int(self.max_gib * 2**30 / size))
        if not kept:
            raise ValueError(
                f'feature cache {self.path}: a picture takes '
                f'{size / 2**20:.2f} MiB, and max_gib={self.max_gib} has no '
                'room for one. Raise it, or train without a cache.'
            )
        return kept

    def _lost(self, ids: np.ndarray) -> KeyError:
        names = ids[:20].tolist()
        return KeyError(
            f'feature cache {self.path} has no {self.what} of images {names}'
            f'{" ..." * (len(ids) > 20)}{self._scope()} and '
            + (
                'no teacher is given to compute them.'
                if self.teacher is None
                else 'the views bring nothing to compute them from.'
            )
            + ' Fill it: python tools/misc/cache_teachers.py CONFIG.'
        )

    def _scope(self) -> str:
        """What a message says of a cache that holds less than everything."""
        if not self.file.is_open:
            return ''
        kept = self.file.fields.get('kept_images')
        return f' (it keeps the first {kept} only)' if kept else ''
