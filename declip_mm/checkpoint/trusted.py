"""What torch's safe reader may build for our own training checkpoints.

Beside weights, mmengine's checkpoints hold the history of the losses: numpy
arrays in ``HistoryBuffer`` objects. All of these are plain values; with them
allowed, our checkpoints are read without running anything else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

__all__ = ['own_globals']


def _buffer_method(owner: Any, name: str) -> Any:
    """``getattr``, which pickle uses, for methods of the history alone."""
    if owner is not HistoryBuffer or name.startswith('_'):
        raise ValueError(
            f'getattr({owner!r}, {name!r}) in a checkpoint is allowed for '
            'the methods of HistoryBuffer alone.'
        )
    return getattr(HistoryBuffer, name)


def _allowed() -> list[Any]:
    arrays = [np.ndarray, np.dtype, HistoryBuffer]
    dtypes = [type(np.dtype(kind)) for kind in 'bBhHiIlLqQefd?']
    # What pickle calls for an array and for a scalar; numpy moved both
    # between its versions 1 and 2.
    builders: list[Any] = [
        value.__reduce__()[0] for value in (np.zeros(1), np.float64())
    ]
    named = [
        (_buffer_method, 'builtins.getattr'),
        *(
            (build, f'numpy.{core}.multiarray.{build.__name__}')
            for core in ('core', '_core')
            for build in builders
        ),
    ]
    return [*arrays, *dict.fromkeys(dtypes), *named]


@contextmanager
def own_globals() -> Iterator[None]:
    """Allow what our own runner writes, while the block runs.

    Before torch 2.6 nothing can be allowed under another's name; there our
    training checkpoints need the user's word (``trust_pickle``).
    """
    if not hasattr(torch.serialization, 'get_unsafe_globals_in_checkpoint'):
        yield
        return
    with torch.serialization.safe_globals(_allowed()):
        yield
