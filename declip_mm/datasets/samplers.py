"""Samplers that mmengine lacks."""

from collections.abc import Iterator

from mmengine.dataset import DefaultSampler
from mmengine.registry import DATA_SAMPLERS

__all__ = ['PartialSampler']


@DATA_SAMPLERS.register_module()
class PartialSampler(DefaultSampler):
    """A random part of the data set per epoch, another one each epoch.

    The authors' trainer shows every rank a quarter of COCO per epoch and
    keeps one rank's weights; on one GPU that is ``parts=4``.

    Args:
        parts: An epoch sees one in ``parts`` images.
        args, kwargs: Of :class:`mmengine.dataset.DefaultSampler`.
    """

    def __init__(self, *args, parts: int, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if not self.shuffle:
            raise ValueError(
                'shuffle=False would show the same part in every epoch; use '
                'DefaultSampler on fewer pictures (indices of the data set).'
            )
        if not 1 <= parts <= self.num_samples:
            raise ValueError(
                f'parts={parts} is out of range: allowed are 1 to the '
                f'{self.num_samples} images of a rank.'
            )
        self.parts = parts

    def __iter__(self) -> Iterator[int]:
        indices = list(super().__iter__())
        yield from indices[: len(self)]

    def __len__(self) -> int:
        return self.num_samples // self.parts
