"""Says at the end of an epoch which pictures were damaged."""

import logging
from collections.abc import Sequence

from mmengine import dist
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from .epoch import leaf_datasets

__all__ = ['DamagedImagesHook']

_UNMEASURED = (
    'could not be measured; their objects count as missed, their class maps '
    'and regions are left out'
)


@HOOKS.register_module()
class DamagedImagesHook(Hook):
    """Counts and names the pictures that could not be used.

    Data sets name a damaged picture when they meet it, in the worker that
    met it; this sums up over workers and ranks. It also says, once, how many
    pictures have an EXIF orientation that their labels cannot decide on.
    ``left_out`` of the message hub has the damaged files of a test, so that
    ``tools/test.py`` can end with an error.

    Args:
        most: How many to name.
    """

    def __init__(self, most: int = 20) -> None:
        self.most = most
        self._said: set[str] = set()

    def before_train(self, runner) -> None:
        """In training another picture takes the place of a damaged one."""
        for dataset in leaf_datasets(runner.train_dataloader.dataset):
            readings = getattr(dataset, 'readings', None)
            if readings is not None:
                readings.replace = True

    def after_train_epoch(self, runner) -> None:
        """Log a line if there were any."""
        self._sum_up(
            runner,
            runner.train_dataloader,
            'so far, others were shown in their place',
        )

    def after_val_epoch(self, runner, metrics=None) -> None:
        """Log a line if there were any."""
        self._sum_up(runner, runner.val_dataloader, _UNMEASURED)

    def after_test_epoch(self, runner, metrics=None) -> None:
        """Log a line if there were any, and leave word of them."""
        found = self._sum_up(runner, runner.test_dataloader, _UNMEASURED)
        runner.message_hub.update_info('left_out', found, resumed=False)

    def _sum_up(self, runner, dataloader, what: str) -> list[str]:
        """Damaged files of all workers and ranks."""
        damaged, undecided = (
            self._gather(dataloader, kind) for kind in ('damaged', 'undecided')
        )
        if damaged:
            self._log(runner, damaged, f'damaged pictures {what}')
        if set(undecided) - self._said:
            self._said.update(undecided)
            self._log(
                runner,
                undecided,
                'pictures have an EXIF orientation (half turn, mirrored, or '
                'square) that fits their labels either way; they were turned '
                'upright',
            )
        return damaged

    @staticmethod
    def _gather(dataloader, kind: str) -> list[str]:
        own = [
            path
            for dataset in leaf_datasets(dataloader.dataset)
            for path in getattr(dataset, kind, ())
        ]
        return sorted(set().union(*dist.all_gather_object(own)))

    def _log(self, runner, found: Sequence[str], what: str) -> None:
        names = [p.encode('utf-8', 'replace').decode() for p in found]
        more = len(names) - self.most
        runner.logger.log(
            logging.WARNING,
            f'{len(names)} {what}: {", ".join(names[: self.most])}'
            + (f' and {more} more' if more > 0 else ''),
        )
