"""Feature maps of a frozen VFM, kept on disk."""

from pathlib import Path

from mmengine.registry import MODELS
from torch import Tensor

from .cache_file import CachedTeacher, CacheFile, in_half

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
    """

    def __init__(
        self,
        path: str,
        teacher: dict | None = None,
        num_images: int | None = None,
    ) -> None:
        built = None if teacher is None else MODELS.build(teacher)
        super().__init__(path, built, num_images)

    def forward(self, image: Tensor | None, data_samples: list) -> Tensor:
        """(B, 3, V, V) -> dense map (B, D', h, w), from the cache if it can.

        Every sample's ``img_id`` says which row is its own.

        Raises:
            KeyError: A row is missing, and so is the teacher or the view.
            ValueError: The cache is of something else, or the views have
                several shapes.
        """
        if any('bucket' in sample for sample in data_samples):
            raise ValueError(
                f'feature cache {self.path} holds one shape for all pictures, '
                'but these views keep the aspect of each (native_patch). '
                'Train with the VFM itself, or with square views; a cache of '
                'the crops serves both.'
            )
        view = None if image is None else list(image.shape[-2:])
        ids = self._rows(data_samples, view=view)
        return self._look_up((ids,), image, data_samples, view=view)


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
    file.array[:] = stored.numpy()
    file.filled[:] = True
    file.flush()
