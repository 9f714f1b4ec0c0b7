"""One optimisation step out of several passes, with exact global means."""

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop

__all__ = ['AccumulationTrainLoop', 'split_batch']


@LOOPS.register_module()
class AccumulationTrainLoop(EpochBasedTrainLoop):
    """Epochs whose batches are worked off in equal parts.

    The data loader's batch is what a rank contributes to an optimisation
    step. One iteration is one step, so schedulers, intervals and
    ``auto_scale_lr`` mean what they say; memory is that of one part. Every
    data sample learns in its metainfo how many boxes the whole batch of its
    rank has (``group_boxes``) and of how many parts (``group_size``), so that
    a mean over boxes is the one that the undivided batch would give.

    Args:
        runner: The runner.
        dataloader: Data loader or its config; with a last batch that is
            incomplete, ``drop_last=True`` is needed.
        max_epochs: How many epochs.
        accumulate: Parts of a batch; the optimiser wrapper has to have the
            same ``accumulative_counts``.
        kwargs: Of :class:`mmengine.runner.EpochBasedTrainLoop`.

    Raises:
        ValueError: The numbers do not fit together.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        max_epochs: int,
        accumulate: int,
        **kwargs,
    ) -> None:
        super().__init__(runner, dataloader, max_epochs, **kwargs)
        self.accumulate = accumulate
        self._check_loader()
        self._check_wrapper()

    def _check_loader(self) -> None:
        k = self.accumulate
        if not isinstance(k, int) or k < 1:
            raise ValueError(
                f'accumulate must be a whole number of 1 or more, got {k!r}.'
            )
        size = self.dataloader.batch_size
        if size is None:
            raise ValueError(
                'the train_dataloader has a batch sampler of its own; '
                'AccumulationTrainLoop needs a fixed batch_size.'
            )
        if size % k:
            raise ValueError(
                f'batch_size={size} of a rank cannot be split into '
                f'accumulate={k} equal parts. The batch_size is that of the '
                f'whole step: take {max(1, size // k) * k} or '
                f'{(size // k + 1) * k}.'
            )
        images = len(self.dataloader.sampler)
        if images % size and not self.dataloader.drop_last:
            raise ValueError(
                f'{images} pictures of a rank leave a last batch of '
                f'{images % size} instead of {size}, which would weigh as '
                'much as a whole one. Set train_dataloader.drop_last=True.'
            )
        if not len(self.dataloader):
            raise ValueError(
                f'{images} pictures of a rank make no batch of {size}.'
            )

    def _check_wrapper(self) -> None:
        wrapper = self.runner.optim_wrapper
        if isinstance(wrapper, Mapping):
            counts = wrapper.get('accumulative_counts', 1)
        else:
            counts = getattr(wrapper, '_accumulative_counts', None)
        if counts is None:
            raise ValueError(
                f'{type(wrapper).__name__} does not accumulate gradients; '
                'AccumulationTrainLoop needs an OptimWrapper or '
                'AmpOptimWrapper.'
            )
        if counts != self.accumulate:
            raise ValueError(
                f'train_cfg.accumulate={self.accumulate}, but '
                f'optim_wrapper.accumulative_counts={counts}; give both the '
                'same number.'
            )

    def run(self) -> torch.nn.Module:
        """Launch training; the optimiser wrapper counts parts."""
        self._check_wrapper()
        k = self.accumulate
        if self._iter % k:
            print_log(
                f'Resumed after step {self._iter}: all {k} parts of it were '
                'applied, no gradient is lost.',
                logger='current',
            )
        self.runner.optim_wrapper.initialize_count_status(
            self.runner.model, k * self._iter, k * self._max_iters
        )
        return super().run()

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """One optimisation step.

        Args:
            idx: Of the batch in its epoch.
            data_batch: What ``pseudo_collate`` makes, the whole batch.
        """
        hook = self.runner.call_hook
        hook('before_train_iter', batch_idx=idx, data_batch=data_batch)
        parts = split_batch(data_batch, self.accumulate)
        logs = [
            self.runner.model.train_step(
                part, optim_wrapper=self.runner.optim_wrapper
            )
            for part in parts
        ]
        hook(
            'after_train_iter',
            batch_idx=idx,
            data_batch=data_batch,
            outputs=_mean(logs),
        )
        self._iter += 1


def split_batch(batch: Mapping, parts: int) -> list[dict]:
    """Equal parts of a batch; its samples learn about the whole.

    Args:
        batch: ``inputs`` and ``data_samples``, with lists or tensors that
            have an element per picture at the bottom.
        parts: How many.

    Returns:
        As many dicts of the same form.

    Raises:
        TypeError: Something in the batch has no element per picture.
        ValueError: The batch cannot be split into equal parts.
    """
    samples = batch.get('data_samples') if isinstance(batch, Mapping) else None
    if not samples:
        raise TypeError(
            'expected a dict with a list of data_samples, as pseudo_collate '
            f'makes it, got {type(batch).__name__}.'
        )
    count = len(samples)
    if count % parts:
        raise ValueError(
            f'a batch of {count} pictures cannot be split into {parts} equal '
            'parts.'
        )
    boxes = sum(len(sample.get('boxes', ())) for sample in samples)
    for sample in samples:
        sample.set_metainfo(dict(group_boxes=boxes, group_size=parts))
    size = count // parts
    return [
        _cut(batch, slice(start, start + size), count)
        for start in range(0, count, size)
    ]


def _cut(value: Any, part: slice, count: int) -> Any:
    if isinstance(value, Mapping):
        return {key: _cut(inner, part, count) for key, inner in value.items()}
    if not isinstance(value, (list, tuple, torch.Tensor)):
        raise TypeError(
            f'a {type(value).__name__} in the batch has no element per '
            'picture; use collate_fn=dict(type="pseudo_collate").'
        )
    if len(value) != count:
        raise TypeError(
            f'something in the batch has {len(value)} elements for {count} '
            'pictures.'
        )
    return value[part]


def _mean(logs: list[dict]) -> dict:
    """What the undivided batch would have logged."""
    return {key: sum(log[key] for log in logs) / len(logs) for key in logs[0]}
