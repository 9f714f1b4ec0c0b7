"""Stops a run that goes wrong before it costs a checkpoint or a night."""

import logging
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.hooks import EMAHook, Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS

from .epoch import EpochSyncHook, leaf_datasets
from .unwrap import unwrap

__all__ = ['RunGuardHook']


@HOOKS.register_module()
class RunGuardHook(Hook):
    """Four things that no log line shows.

    - A loss that is NaN or infinite ends the run at once, with the files of
      the batch; checkpoints of earlier steps stay as they are.
    - Data whose draws depend on the epoch, without :class:`EpochSyncHook`,
      would show the crops of epoch 0 in every epoch; that is refused before
      training.
    - Averaged weights (``EMAHook``) hold every parameter of the model; a
      teacher that its cache lets go would be missed after the first step.
      That is refused before training.
    - mmengine removes old checkpoints before it writes the new one: with
      ``max_keep_ckpts=1`` a kill at that moment leaves none. That is warned
      of.

    Args:
        most: How many files to name.
    """

    # Before anything is saved: the step has been applied already.
    priority = 'VERY_HIGH'

    def __init__(self, most: int = 8) -> None:
        self.most = most

    def before_train(self, runner) -> None:
        """Refuse draws that nobody moves on."""
        drawn = {
            type(data).__name__
            for data in leaf_datasets(runner.train_dataloader.dataset)
            if hasattr(data, 'set_epoch')
        }
        synced = any(isinstance(h, EpochSyncHook) for h in runner.hooks)
        if drawn and not synced:
            raise ValueError(
                f'{", ".join(sorted(drawn))} draws its crops by epoch, and '
                'no hook tells it the epoch: all epochs would show the same '
                "crops. Add dict(type='EpochSyncHook') to custom_hooks."
            )
        self._check_average(runner)
        kept = [getattr(h, 'max_keep_ckpts', 0) for h in runner.hooks]
        if 1 in kept:
            print_log(
                'max_keep_ckpts=1: the only checkpoint is removed before the '
                'next one is written, and a run that is killed then has '
                'none. Keep 2.',
                logger='current',
                level=logging.WARNING,
            )

    @staticmethod
    def _check_average(runner) -> None:
        if not any(isinstance(h, EMAHook) for h in runner.hooks):
            return
        for name, module in unwrap(runner).named_modules():
            goes = getattr(module, 'keep_teacher', True) is False
            if goes and module.teacher is not None:
                raise ValueError(
                    'EMAHook averages all parameters of the model, and '
                    f'keep_teacher=False of model.{name} lets a teacher go. '
                    f'Set model.{name}.keep_teacher=True.'
                )

    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Refuse to go on from a loss that is no number."""
        bad = {
            name: value
            for name, value in (outputs or {}).items()
            if 'loss' in name and not _finite(value)
        }
        if not bad:
            return
        told = ', '.join(f'{k} = {float(v)}' for k, v in bad.items())
        last = runner.message_hub.get_info('last_ckpt', None)
        raise FloatingPointError(
            f'step {runner.iter + 1} (epoch {runner.epoch + 1}): {told}. The '
            f'batch: {self._files(data_batch)}. Nothing was saved since; '
            f'the last good checkpoint is {last or "none yet"}. Look at '
            'these files, lower the learning rate or clip gradients, then go '
            'on with --resume.'
        )

    def _files(self, batch: Any) -> str:
        found = list(dict.fromkeys(_paths(batch)))
        if not found:
            return 'no file names in its data samples'
        more = len(found) - self.most
        names = ', '.join(found[: self.most])
        return names + f' and {more} more' * (more > 0)


def _finite(value: Any) -> bool:
    return bool(torch.as_tensor(value).isfinite().all())


def _paths(batch: Any) -> Iterator[str]:
    samples = batch.get('data_samples') if isinstance(batch, dict) else None
    for sample in samples or ():
        path = getattr(sample, 'img_path', None)
        if isinstance(path, str):
            yield path
