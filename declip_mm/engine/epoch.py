"""Tells the data set which epoch its draws belong to."""

from collections.abc import Iterator
from typing import Any

from mmengine import dist
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop

__all__ = ['EpochSyncHook', 'leaf_datasets']


def leaf_datasets(dataset: Any) -> Iterator[Any]:
    """The data sets inside of mmengine's and torch's wrappers."""
    if hasattr(dataset, 'datasets'):  # ConcatDataset
        for part in dataset.datasets:
            yield from leaf_datasets(part)
    elif hasattr(dataset, 'dataset'):  # RepeatDataset, Subset ...
        yield from leaf_datasets(dataset.dataset)
    else:
        yield dataset


@HOOKS.register_module()
class EpochSyncHook(Hook):
    """Calls ``set_epoch`` of the training data before every epoch.

    Without it every epoch would draw the same crops. The run's seed goes
    along, rank 0's everywhere, for data sets that have none of their own.
    """

    def before_train(self, runner) -> None:
        """Refuse what has no epochs."""
        loop = runner.train_loop
        if not isinstance(loop, EpochBasedTrainLoop):
            raise TypeError(
                f'EpochSyncHook needs epochs, but train_cfg is a '
                f'{type(loop).__name__}. Draws are a function of (seed, '
                'epoch, picture): train with EpochBasedTrainLoop or '
                'AccumulationTrainLoop.'
            )
        if not self._datasets(runner):
            names = sorted({type(d).__name__ for d in self._leaves(runner)})
            raise TypeError(
                f'{", ".join(names)} has no set_epoch(epoch, seed). Train on '
                'a DeCLIPImageDataset, or remove EpochSyncHook if nothing is '
                'drawn.'
            )

    def before_train_epoch(self, runner) -> None:
        """Hand over epoch and seed, before workers fetch anything."""
        seeds = [runner.seed]
        dist.broadcast_object_list(seeds)
        for dataset in self._datasets(runner):
            dataset.set_epoch(runner.epoch, seed=seeds[0])

    def _datasets(self, runner) -> list[Any]:
        return [d for d in self._leaves(runner) if hasattr(d, 'set_epoch')]

    @staticmethod
    def _leaves(runner) -> Iterator[Any]:
        return leaf_datasets(runner.train_dataloader.dataset)
