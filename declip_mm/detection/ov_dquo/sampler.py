"""Pictures with rare classes, shown more often."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.dataset import DefaultSampler
from mmengine.registry import DATA_SAMPLERS

__all__ = ['RepeatFactorSampler']


@DATA_SAMPLERS.register_module()
class RepeatFactorSampler(DefaultSampler):
    """Draws pictures with replacement, an epoch as long as the data set.

    A picture's weight is ``max_c max(1, sqrt(repeat_thr / f_c))`` over its
    classes, f_c being the share of pictures with class c (LVIS, Gupta et
    al., CVPR 2019).

    Args:
        dataset: Of mmdet, with ``get_cat_ids``.
        repeat_thr: Share below which a class is rare. 0.001 is LVIS's.
            OV-DQUO's configs say so, too, but its code takes 1: every class
            is rare, and a picture's weight is that of its rarest.
        args, kwargs: Of :class:`mmengine.dataset.DefaultSampler`.
    """

    def __init__(
        self, dataset: Any, *args, repeat_thr: float, **kwargs
    ) -> None:
        if isinstance(repeat_thr, bool) or not 0 < repeat_thr <= 1:
            raise ValueError(
                f'repeat_thr is a share of pictures, got {repeat_thr}; '
                'allowed: above 0 and at most 1.'
            )
        super().__init__(dataset, *args, **kwargs)
        self.weights = torch.tensor(_weights(dataset, repeat_thr))

    def __iter__(self) -> Iterator[int]:
        """Positions of this rank."""
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        drawn = torch.multinomial(
            self.weights, self.total_size, True, generator=generator
        )
        yield from drawn[self.rank :: self.world_size].tolist()


def _weights(dataset: Any, repeat_thr: float) -> list[float]:
    """Of every picture."""
    # labels of pseudo objects, which are no class, are below 0
    classes = [
        {c for c in dataset.get_cat_ids(i) if c >= 0}
        for i in range(len(dataset))
    ]
    pictures = Counter(c for own in classes for c in own)
    factor = {
        c: max(1.0, math.sqrt(repeat_thr * len(classes) / count))
        for c, count in pictures.items()
    }
    return [max((factor[c] for c in own), default=1.0) for own in classes]
