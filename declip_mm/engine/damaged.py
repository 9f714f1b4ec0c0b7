"""Says at the end of an epoch which pictures were damaged."""

import logging

from mmengine import dist
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from .epoch import leaf_datasets

__all__ = ['DamagedImagesHook']


@HOOKS.register_module()
class DamagedImagesHook(Hook):
    """Counts and names the pictures that others stood in for.

    Data sets name a damaged picture when they meet it, in the worker that
    met it; this sums up over workers and ranks.

    Args:
        most: How many to name.
    """

    def __init__(self, most: int = 20) -> None:
        self.most = most

    def after_train_epoch(self, runner) -> None:
        """Log a line if there were any."""
        own = [
            path
            for dataset in leaf_datasets(runner.train_dataloader.dataset)
            for path in getattr(dataset, 'damaged', ())
        ]
        found = sorted(set().union(*dist.all_gather_object(own)))
        if not found:
            return
        names = [p.encode('utf-8', 'replace').decode() for p in found]
        more = len(names) - self.most
        runner.logger.log(
            logging.WARNING,
            f'{len(names)} damaged pictures so far, others were shown in '
            f'their place: {", ".join(names[: self.most])}'
            + (f' and {more} more' if more > 0 else ''),
        )
