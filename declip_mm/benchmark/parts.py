"""What the parts of one step take, each apart."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from .subject import Subject

__all__ = ['step_parts']


class _Stopwatch:
    """Seconds inside wrapped methods, the device's work included."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.taken: dict[str, float] = {}

    def now(self) -> float:
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    @contextmanager
    def around(self, owner: Any, method: str, name: str) -> Iterator[None]:
        """Time a method of an object while the block runs."""
        inner: Callable = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = self.now()
            found = inner(*args, **kwargs)
            took = self.now() - start
            self.taken[name] = self.taken.get(name, 0.0) + took
            return found

        before = vars(owner).get(method)
        object.__setattr__(owner, method, timed)
        try:
            yield
        finally:
            if before is None:
                object.__delattr__(owner, method)
            else:  # somebody else's, as of a graph
                object.__setattr__(owner, method, before)


def step_parts(subject: Subject) -> dict[str, float]:
    """Seconds of the parts of one step, and of ``all`` of it.

    The device is waited for around each part, so the sum is a little more
    than a step that nobody watches.
    """
    model, watch = subject.model, _Stopwatch(subject.device)
    watched = [
        (model.data_preprocessor, 'forward', 'pixels to the device'),
        (model.backbone, 'forward_dense', 'student forward'),
        (model.content_teacher, 'forward', 'crop teacher'),
        (model.context_teacher, 'forward', 'VFM teacher'),
        (model, 'loss', 'forward'),
        (subject.optim, 'backward', 'student backward'),
        (subject.optim, 'step', 'optimiser'),
    ]
    data = subject.data
    with ExitStack() as stack:
        for owner, method, name in watched:
            stack.enter_context(watch.around(owner, method, name))
        start = watch.now()
        model.train_step(data, subject.optim)
        everything = watch.now() - start
    parts = watch.taken
    inside = ('student forward', 'crop teacher', 'VFM teacher')
    parts['losses'] = parts.pop('forward') - sum(parts[n] for n in inside)
    parts['all'] = everything
    return parts
