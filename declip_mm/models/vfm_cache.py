"""Feature maps of a frozen VFM, kept on disk."""

from pathlib import Path
from typing import Any

import numpy as np
from mmengine.registry import MODELS
from torch import Tensor

from .cache_file import CacheFile, in_half
from .cached_teacher import CachedTeacher
from .components import correlation_error, principal_components

__all__ = ['VFMCache', 'write_cache']


@MODELS.register_module()
class VFMCache(CachedTeacher):
    """A :class:`VFMTeacher` that looks at every image once.

    The VFM view of an image is the same in every epoch, so its features can
    be stored: half precision, one array for the whole data set, filled as
    images pass by or by tools/misc/cache_teachers.py. Swaps in for the
    teacher in a config with no other change; once it is full, the views may
    leave the VFM view out (``vfm_size=None``). A cache of another teacher,
    another view or other images is refused.

    Args:
        path: Array file (``.npy``); ``.json`` and ``.filled.npy`` beside it.
        teacher: Config of the teacher. None reads an existing cache only.
        num_images: Length of the whole list of pictures, also where a part
            of it is trained on. None takes an existing cache's.
        max_gib: Most GiB of a cache that is created: it keeps the first
            pictures of the list that fit, the others are looked at in every
            epoch, so the views have to bring theirs.
        components: K: keep, of each picture, its features in the K directions
            that hold most of their cosines, a tenth of the size. Only for
            who asks for nothing but cosines between tokens of a picture, as
            the context loss does: channels have no meaning beyond. How far
            the cosines moved is measured on each picture when it is stored
            (:meth:`moved`). None keeps the features themselves.
        keep_teacher: False lets the teacher go, with its memory, as soon as
            its weights were compared and the views bring it nothing to see.
    """

    def __init__(
        self,
        path: str,
        teacher: dict | None = None,
        num_images: int | None = None,
        max_gib: float | None = None,
        components: int | None = None,
        keep_teacher: bool = True,
    ) -> None:
        built = None if teacher is None else MODELS.build(teacher)
        super().__init__(path, built, num_images, max_gib, keep_teacher)
        self.components = components

    def forward(self, image: Tensor | None, data_samples: list) -> Tensor:
        """(B, 3, V, V) -> dense map (B, D', h, w), from the cache if it can.

        Every sample's ``img_id`` says which row is its own. With
        ``components`` D' is K.

        Raises:
            KeyError: A row is missing, and so is the teacher or the view.
            ValueError: The cache is of something else.
        """
        view = None if image is None else list(image.shape[-2:])
        ids = self._ids(data_samples, image, view=view)
        return self._look_up(ids, image, data_samples, view=view)

    def _open(self, seen: dict[str, Any]) -> None:
        # Not as other fields: what the file does not name, it has not.
        stored = self.file.fingerprint.get('components')
        if stored != self.components:
            raise ValueError(
                f'feature cache {self.path} was made for something else: '
                f'components: cache has {stored!r}, run has '
                f'{self.components!r}. Channels of components serve nothing '
                'but cosines within a picture, so the config has to ask for '
                f'them. Set components={stored!r}, name another path or '
                'delete it.'
            )
        super()._open(seen)

    def _ask(self, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        features = self.teacher(inputs)
        if self.components is None:
            return in_half(features), {}
        kept = in_half(principal_components(features, self.components))
        return kept, dict(moved=correlation_error(features, kept))

    def _fields(self) -> dict[str, Any]:
        return dict(components=self.components)

    def moved(self) -> dict[str, float] | None:
        """How far ``components`` moved the cosines of the stored pictures.

        Returns:
            ``mean`` and ``max`` of the absolute difference, and the number of
            ``images``; None where features are kept or none is stored.
        """
        if self.components is None or not self.file.is_open:
            return None
        mean, worst = np.asarray(self.file.notes('moved')).T
        if not len(mean):
            return None
        return dict(
            mean=float(mean.mean()), max=float(worst.max()), images=len(mean)
        )


def write_cache(path: str, features: Tensor, view: tuple[int, int]) -> None:
    """Write features that came from elsewhere as a full cache.

    Args:
        path: As of :class:`VFMCache`, which then needs no teacher.
        features: (N, D', h, w), row i of image i.
        view: (H, W) of the VFM view that they belong to.
    """
    stored = in_half(features)
    mark = dict(teacher=None, view=list(view), num_images=len(features))
    file = CacheFile(Path(path))
    file.create(tuple(features.shape), mark)
    file.write(np.arange(len(stored)), stored)
    file.flush()
