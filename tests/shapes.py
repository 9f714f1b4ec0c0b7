"""Models of full size, without numbers in them."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode

_FILLS = {
    torch.Tensor.clamp_,
    torch.Tensor.erfinv_,
    torch.Tensor.normal_,
    torch.Tensor.uniform_,
}


class _Unfilled(TorchFunctionMode):
    """Leaves out random initialisation, which has nothing to fill there.

    On the meta device torch does it by many operations in Python: they are
    most of what building such a model takes.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in _FILLS and args[0].is_meta:
            return args[0]
        return func(*args, **(kwargs or {}))


@contextmanager
def shapes_alone() -> Iterator[None]:
    """What is only built need not be filled with random numbers."""
    with torch.device('meta'), _Unfilled():
        yield
