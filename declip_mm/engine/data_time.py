"""Says when training waits for its pictures."""

import logging
import os

import numpy as np
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS

__all__ = ['DataTimeHook']

#: Fewer steps than these say nothing: workers start, files are cold.
_LEAST_STEPS = 10


@HOOKS.register_module()
class DataTimeHook(Hook):
    """One line after an epoch whose steps waited for data.

    mmengine logs ``data_time`` and ``time``; this adds them up over an epoch,
    without its first step, in which the workers start.

    Args:
        most: Share of the time of a step from which on it speaks.
    """

    def __init__(self, most: float = 0.3) -> None:
        if not 0 < most <= 1:
            raise ValueError(
                f'most must be a share above 0 and up to 1, got {most!r}.'
            )
        self.most = most
        self._first = 0

    def before_train_epoch(self, runner) -> None:
        self._first = runner.iter

    def after_train_epoch(self, runner) -> None:
        steps = runner.iter - self._first - 1
        waited = self._sum(runner, 'data_time', steps)
        taken = self._sum(runner, 'time', steps)
        if steps < _LEAST_STEPS or not taken or waited <= self.most * taken:
            return
        workers = getattr(runner.train_dataloader, 'num_workers', 0)
        print_log(
            f'{waited / taken:.0%} of epoch {runner.epoch + 1} went into '
            f'waiting for pictures ({waited / steps:.3f} of '
            f'{taken / steps:.3f} s a step). Raise train_dataloader.'
            f'num_workers (now {workers}; this machine has {os.cpu_count()} '
            "cores), set the views' resize='torch' or crops_on='device', or "
            'fill caches of the teachers, whose views are left out then '
            '(tools/misc/cache_teachers.py).',
            logger='current',
            level=logging.WARNING,
        )

    @staticmethod
    def _sum(runner, name: str, steps: int) -> float:
        """Seconds of the last steps; 0 where nobody took the time."""
        scalars = runner.message_hub.log_scalars
        key = f'train/{name}'
        if key not in scalars or steps < 1:
            return 0.0
        return float(np.sum(scalars[key].data[0][-steps:]))
