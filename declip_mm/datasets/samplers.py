"""Samplers that mmengine lacks."""

import copy
import logging
from collections.abc import Iterator

import numpy as np
from mmengine.dataset import DefaultSampler
from mmengine.logging import print_log
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import Sampler

__all__ = ['BucketBatchSampler', 'PartialSampler']


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


@DATA_SAMPLERS.register_module()
class BucketBatchSampler(Sampler):
    """Batches of pictures whose views have one shape, alike on all ranks.

    In a step every rank has a batch of the same shape, so none waits for a
    larger one, and all ranks have the same number of steps in every epoch.
    Pictures come in the sampler's order; the batches are shuffled as it is,
    by its seed and epoch. A :class:`PartialSampler` takes its part of the
    batches.

    Args:
        sampler: A :class:`mmengine.dataset.DefaultSampler` of a
            :class:`DeCLIPImageDataset` whose views keep the aspect.
        batch_size: Pictures of a rank.
        drop_last: Leave out what does not fill a batch of all ranks, per
            shape. False makes smaller batches of it; where ranks would get
            unequal ones, pictures of that shape are shown twice.

    Raises:
        TypeError: Another sampler, or a data set without shapes.
        ValueError: No batch is left.
    """

    def __init__(
        self,
        sampler: DefaultSampler,
        batch_size: int,
        drop_last: bool = False,
    ) -> None:
        if not isinstance(sampler, DefaultSampler):
            raise TypeError(
                'BucketBatchSampler needs epochs of a known order: a '
                f'DefaultSampler or PartialSampler, got '
                f'{type(sampler).__name__}.'
            )
        buckets = getattr(sampler.dataset, 'buckets', None)
        if buckets is None:
            raise TypeError(
                f'the pictures of {type(sampler.dataset).__name__} have no '
                'shape by which they could be put together: give its '
                'DeCLIPViews native_patch, or remove the batch_sampler.'
            )
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(
                f'batch_size must be a whole number of 1 or more, got '
                f'{batch_size!r}.'
            )
        self.sampler, self.batch_size = sampler, batch_size
        self.drop_last, self.buckets = drop_last, buckets
        self._check()

    def _check(self) -> None:
        step = self.batch_size * self.sampler.world_size
        _, counts = np.unique(self.buckets, return_counts=True)
        if not len(self):
            raise ValueError(
                f'{len(self.buckets)} pictures in {len(counts)} shapes make '
                f'no batch of {step} of one shape: lower batch_size, or set '
                'drop_last=False.'
            )
        never = counts[counts < step]
        if self.drop_last and len(never):
            print_log(
                f'{int(never.sum())} pictures are never shown: their shapes '
                f'have fewer than the {step} of a step. drop_last=False '
                'shows them.',
                logger='current',
                level=logging.WARNING,
            )

    def _order(self) -> list[int]:
        """All pictures in this epoch's order, of no rank in particular."""
        whole = copy.copy(self.sampler)
        whole.rank, whole.world_size = 0, 1
        every = list(DefaultSampler.__iter__(whole))
        return every[: len(self.buckets)]  # without those that round up

    def _steps(self) -> list[list[int]]:
        """Pictures of all ranks, step by step."""
        size = self.batch_size * self.sampler.world_size
        waiting: dict[int, list[int]] = {}
        steps = []
        for index in self._order():
            batch = waiting.setdefault(int(self.buckets[index]), [])
            batch.append(index)
            if len(batch) == size:
                steps.append(batch)
                del waiting[int(self.buckets[index])]
        if not self.drop_last:
            for batch in waiting.values():
                short = -len(batch) % self.sampler.world_size
                steps.append([*batch, *(batch * short)[:short]])
        if self.sampler.shuffle:  # else rare shapes always come last
            seed = self.sampler.seed, self.sampler.epoch
            order = np.random.default_rng(seed).permutation(len(steps))
            steps = [steps[i] for i in order]
        return steps[: len(self)]

    def __iter__(self) -> Iterator[list[int]]:
        rank, ranks = self.sampler.rank, self.sampler.world_size
        for step in self._steps():
            yield step[rank::ranks]

    def __len__(self) -> int:
        """Batches of a rank in an epoch, the same in each."""
        size = self.batch_size * self.sampler.world_size
        _, counts = np.unique(self.buckets, return_counts=True)
        more = 0 if self.drop_last else size - 1
        steps = int(((counts + more) // size).sum())
        return steps // getattr(self.sampler, 'parts', 1)
