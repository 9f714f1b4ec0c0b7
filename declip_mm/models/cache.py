"""Feature maps of a frozen VFM, kept on disk."""

import json
import os
from pathlib import Path
from typing import List, Optional, Tuple

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.registry import MODELS
from torch import Tensor

from .teachers import FrozenTeacher

__all__ = ['TeacherCache', 'write_cache']


@MODELS.register_module()
class TeacherCache(FrozenTeacher):
    """A :class:`VFMTeacher` that looks at every image once.

    The VFM view of an image is the same in every epoch, so its features can
    be stored: half precision, one array for the whole data set, filled as
    images pass by. Swaps in for the teacher in a config with no other change.
    A cache of another teacher, another view or other images is refused.

    Args:
        teacher: Config of the teacher. None reads an existing cache only.
        path: Array file (``.npy``); ``.json`` and ``.filled.npy`` beside it.
        num_images: Length of the data set. None takes an existing cache's.
    """

    def __init__(
        self,
        path: str,
        teacher: Optional[dict] = None,
        num_images: Optional[int] = None,
    ) -> None:
        super().__init__()
        self.path = Path(path)
        self.num_images = num_images
        self.teacher = None if teacher is None else MODELS.build(teacher)
        if self.teacher is None and not self.path.is_file():
            raise FileNotFoundError(
                f'feature cache {path} does not exist and no teacher is given '
                'to fill it.'
            )
        source = self.teacher or self
        self.pixel_mean = getattr(source, 'pixel_mean', (0.485, 0.456, 0.406))
        self.pixel_std = getattr(source, 'pixel_std', (0.229, 0.224, 0.225))
        self.array: Optional[np.ndarray] = None
        self.filled: Optional[np.ndarray] = None
        self.freeze()

    @torch.no_grad()
    def forward(self, image: Tensor, data_samples: List) -> Tensor:
        """(B, 3, V, V) -> dense map (B, D', h, w), from the cache if it can.

        Every sample's ``img_id`` says which row is its own.
        """
        ids = np.array([sample.img_id for sample in data_samples])
        if self.array is None and self.path.is_file():
            self._open(image)
        if self.array is not None and self.filled[ids].all():
            rows = torch.from_numpy(np.array(self.array[ids]))
            return rows.to(image.device, torch.float32)
        if self.teacher is None:
            lost = ids[~self.filled[ids]].tolist()
            raise KeyError(
                f'feature cache {self.path} has no features of images {lost} '
                'and no teacher is given to compute them.'
            )
        features = self.teacher(image, data_samples)
        if self.array is None:
            self._create(image, features)
        self.array[ids] = features.half().cpu().numpy()
        self.filled[ids] = True
        # What is returned must not depend on whether the cache was warm.
        return features.half().float()

    def _fingerprint(self, image: Tensor) -> dict:
        teacher = None if self.teacher is None else self.teacher.fingerprint
        return dict(
            teacher=teacher,
            view=list(image.shape[-2:]),
            num_images=self.num_images,
        )

    def _open(self, image: Tensor) -> None:
        theirs = json.loads(_side(self.path, '.json').read_text('utf-8'))
        ours = self._fingerprint(image)
        wrong = [
            f'{key}: cache has {theirs.get(key)!r}, run has {value!r}'
            for key, value in ours.items()
            if value is not None and theirs.get(key) != value
        ]
        if wrong:
            raise ValueError(
                f'feature cache {self.path} was made for something else: '
                f'{"; ".join(wrong)}. Name another path or delete it.'
            )
        mode = 'r' if self.teacher is None else 'r+'
        self.array = np.load(self.path, mmap_mode=mode)
        self.filled = np.load(_side(self.path, '.filled.npy'), mmap_mode=mode)

    def _create(self, image: Tensor, features: Tensor) -> None:
        if not self.num_images:
            raise ValueError(
                'num_images must be the length of the data set to create a '
                f'feature cache, got {self.num_images!r}.'
            )
        shape = (self.num_images, *features.shape[1:])
        print_log(
            f'feature cache {self.path}: {np.prod(shape) * 2 / 2**30:.2f} GiB',
            logger='current',
        )
        mark = self._fingerprint(image)
        self.array, self.filled = _create_arrays(self.path, shape, mark)


def _side(path: Path, suffix: str) -> Path:
    return path.with_suffix(suffix)


def _create_arrays(
    path: Path, shape: Tuple[int, ...], fingerprint: dict
) -> Tuple[np.ndarray, np.ndarray]:
    path.parent.mkdir(parents=True, exist_ok=True)
    create = np.lib.format.open_memmap
    filled = create(_side(path, '.filled.npy'), 'w+', bool, shape[:1])
    array = create(path, 'w+', np.float16, shape)
    part = _side(path, '.json.part')
    part.write_text(json.dumps(fingerprint), 'utf-8')
    os.replace(part, _side(path, '.json'))
    return array, filled


def write_cache(path: str, features: Tensor, view: Tuple[int, int]) -> None:
    """Write features that came from elsewhere as a full cache.

    Args:
        path: As of :class:`TeacherCache`, which then needs no teacher.
        features: (N, D', h, w), row i of image i.
        view: (H, W) of the VFM view that they belong to.
    """
    mark = dict(teacher=None, view=list(view), num_images=len(features))
    array, filled = _create_arrays(Path(path), tuple(features.shape), mark)
    array[:] = features.half().numpy()
    filled[:] = True
    array.flush()
    filled.flush()
