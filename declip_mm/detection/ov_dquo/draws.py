"""Random draws of a training step that a resumed run makes again."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.dist import get_rank
from torch import Tensor

__all__ = ['draws_of_step']


@contextmanager
def draws_of_step(step: Tensor) -> Iterator[None]:
    """Draw as a function of the run's seed, the step and the rank.

    torch's own generators stay where they were.

    Args:
        step: Whole number, on the device of the draws; counted up.
    """
    on_gpu = [step.device] if step.is_cuda else []
    # SplitMix64 has such a constant: neighbours get distant seeds
    seed = torch.initial_seed() + 0x9E3779B97F4A7C15 * (1 + int(step))
    with torch.random.fork_rng(on_gpu):
        torch.manual_seed((seed + 7919 * get_rank()) % 2**63)
        step += 1
        yield
