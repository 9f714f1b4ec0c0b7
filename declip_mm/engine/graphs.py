"""Passes of the networks as CUDA graphs, for training."""

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmengine import dist
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..models import CLIPCropTeacher, DecoupledDistiller, VFMTeacher
from ..models.features import DenseFeatures
from ..models.towers import Tower
from .unwrap import unwrap

__all__ = ['GraphHook', 'TwoGraphs']

#: Calls of a size before it is captured: compilers and cuDNN choose in them.
_PLAIN = 3


@HOOKS.register_module()
class GraphHook(Hook):
    """Replays the passes of student and teachers as CUDA graphs.

    A ViT of base size with few pictures a step computes for less time than
    Python takes to launch its kernels. A graph is launched at once. Each size
    of picture, and each number of crops (rounded up), gets its own after a
    few plain steps; what is computed stays the same. Validation runs without.

    On a CPU, and with several processes, whose gradients are exchanged while
    the backward pass runs, it does nothing and says so.

    Args:
        most: Graphs of a network; sizes beyond them run plainly.
        crops: Numbers of crops are rounded up to multiples of it.
    """

    def __init__(self, most: int = 8, crops: int = 16) -> None:
        self.most, self.crops = most, crops
        # weakly: a cache may let its teacher go
        self._replaced: list[tuple[weakref.ref[nn.Module], str]] = []

    def before_train(self, runner: Any) -> None:
        model = unwrap(runner)
        batches = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        reason = _obstacle(model, batches)
        if reason:
            print_log(f'no CUDA graphs: {reason}.', logger='current')
            return
        student = model.backbone
        self._replace(student, 'forward_dense', _Trained(student, self.most))
        for teacher in model.modules():
            if isinstance(teacher, CLIPCropTeacher):
                clip = teacher.backbone
                frozen = _Frozen(
                    clip.forward_image, clip, self.most, self.crops
                )
                self._replace(clip, 'forward_image', frozen)
            elif isinstance(teacher, VFMTeacher):
                frozen = _Frozen(teacher.forward, teacher, self.most)
                self._replace(teacher, 'forward', frozen)

    def after_train(self, runner: Any) -> None:
        for found, name in self._replaced:
            if (module := found()) is not None:
                object.__delattr__(module, name)
        self._replaced.clear()

    def _replace(self, module: nn.Module, name: str, call: Callable) -> None:
        object.__setattr__(module, name, call)
        self._replaced.append((weakref.ref(module), name))


def _obstacle(model: nn.Module, batches: int) -> str:
    """Why this run cannot have them; nothing where it can."""
    if not isinstance(model, DecoupledDistiller):
        kind = type(model).__name__
        return f'they are for a DecoupledDistiller, this is a {kind}'
    if not next(model.backbone.parameters()).is_cuda:
        return 'the model is not on a CUDA device'
    if dist.get_world_size() > 1:
        return f'{dist.get_world_size()} processes train together'
    if batches > 1:  # a graph writes its gradients over the last ones
        return f'gradients of {batches} batches are added up'
    if model.backbone.with_cp:
        return 'blocks are recomputed in the backward pass (with_cp)'
    return ''


class _Graphs:
    """Graphs of one function, by what its input looks like."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._seen: dict[tuple, int] = {}
        self._made: dict[tuple, Callable] = {}

    def find(
        self, image: Tensor, make: Callable[[Tensor], Callable]
    ) -> Callable | None:
        """The graph for such an input; None while it runs plainly."""
        key = (tuple(image.shape), image.dtype, _autocast())
        if key not in self._made:
            seen = self._seen[key] = self._seen.get(key, 0) + 1
            if seen <= _PLAIN or len(self._made) >= self.most:
                return None
            self._made[key] = make(image)
        return self._made[key]


def _autocast() -> torch.dtype | None:
    on = torch.is_autocast_enabled('cuda')
    return torch.get_autocast_dtype('cuda') if on else None


def _uncached() -> torch.autocast:
    """The autocast that is on; casts of weights are a part of the graph."""
    dtype = _autocast()
    return torch.autocast(
        'cuda', dtype, enabled=dtype is not None, cache_enabled=False
    )


class _Trained:
    """``forward_dense`` of the student, forward and backward captured."""

    def __init__(self, student: nn.Module, most: int) -> None:
        self.student, self.graphs = student, _Graphs(most)

    def _plain(self, image: Tensor, taps: Any = ()) -> DenseFeatures:
        return type(self.student).forward_dense(self.student, image, taps)

    def __call__(self, image: Tensor, taps: Any = ()) -> DenseFeatures:
        if taps or not self.student.training or not torch.is_grad_enabled():
            return self._plain(image, taps)
        graph = self.graphs.find(image, self._capture)
        # a second pass would write over what the first one's backward reads
        if graph is None or graph.open:
            return self._plain(image)
        content, *context = graph(image)
        return DenseFeatures(content, tuple(context), ())

    def _capture(self, image: Tensor) -> 'TwoGraphs':
        def run(image: Tensor) -> tuple[Tensor, ...]:
            found = self._plain(image)
            return (found.content, *found.context)

        return TwoGraphs(run, self.student, image)


class TwoGraphs:
    """Forward and backward pass of a function, for one size of input.

    ``torch.cuda.make_graphed_callables`` does the same and cannot be told
    that other threads go on meanwhile: a loader that pins memory breaks it.

    Args:
        run: Image to tensors with gradients.
        module: Holds the parameters.
        image: Of the size.

    Attributes:
        open: Whether a forward pass waits for its backward pass.
    """

    def __init__(
        self, run: Callable, module: nn.Module, image: Tensor
    ) -> None:
        self.open = False
        self.image = image.clone()
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self._forward, self._backward = (
            torch.cuda.CUDAGraph() for _ in range(2)
        )
        with _uncached():
            _prepare(lambda: self._once(run))
            with _capturing(self._forward):
                found = run(self.image)
            self.weights = [torch.empty_like(f) for f in found]
            with _capturing(self._backward, self._forward.pool()):
                self.gradients = self._gradients(found, self.weights)
        # Their history would keep nodes of the parameters that belong to the
        # stream of this capture, for all later passes.
        self.found = tuple(f.detach() for f in found)
        self._tables = _tables(module)

    def _once(self, run: Callable) -> None:
        found = run(self.image)
        self._gradients(found, [torch.ones_like(f) for f in found])

    def _gradients(
        self, found: tuple[Tensor, ...], weights: list[Tensor]
    ) -> tuple[Tensor | None, ...]:
        return torch.autograd.grad(
            found, self.parameters, weights, allow_unused=True
        )

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        return _Replay.apply(self, image, *self.parameters)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        self.open = True
        self.image.copy_(image)
        self._forward.replay()
        return tuple(found.detach() for found in self.found)

    def backward(self, given: tuple[Tensor, ...]) -> list[Tensor | None]:
        for weight, gradient in zip(self.weights, given):
            weight.copy_(gradient)
        self._backward.replay()
        self.open = False
        return [g if g is None else g.detach() for g in self.gradients]


class _Replay(torch.autograd.Function):
    """Puts the two graphs into the graph of autograd."""

    @staticmethod
    def forward(
        ctx: Any, graphs: TwoGraphs, image: Tensor, *_: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.graphs = graphs
        return graphs.forward(image)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, ...]:
        return (None, None, *ctx.graphs.backward(given))


@cache
def _stream(device: int) -> torch.cuda.Stream:
    """Where passes are prepared and captured, one of a device.

    What libraries keep for a stream, such as cuBLAS its workspace, then
    comes from the preparation: made in a capture it would lie in the memory
    of the first graph, and be used by all others when that one is gone.
    """
    return torch.cuda.Stream(device)


def _prepare(work: Callable[[], object]) -> None:
    """Run a pass as it is going to be captured.

    Compiled blocks have a form of their own for an autocast that keeps no
    casts; compiling, choosing kernels and loading them must not happen in a
    capture. What compilers leave behind in reference cycles (nodes of
    autograd of another stream, a graph that was let go) breaks a capture
    that meets it, and torch collects no garbage before one.
    """
    stream = _stream(torch.cuda.current_device())
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        work()
    torch.cuda.current_stream().wait_stream(stream)
    gc.collect()


@contextmanager
def _capturing(
    graph: torch.cuda.CUDAGraph, pool: Any = None
) -> Iterator[None]:
    """Capture on the stream of :func:`_prepare`; nothing is collected."""
    collects = gc.isenabled()
    gc.disable()
    try:
        with torch.cuda.graph(
            graph,
            pool=pool,
            stream=_stream(torch.cuda.current_device()),
            capture_error_mode='thread_local',
        ):
            yield
    finally:
        if collects:
            gc.enable()


def _tables(module: nn.Module) -> list[Tensor]:
    """What a captured pass reads and towers may forget.

    They keep a few grids; a graph that outlives its grid there would read
    memory that belongs to somebody else by then.
    """
    towers = (m for m in module.modules() if isinstance(m, Tower))
    return [table for tower in towers for table in tower.kept_tables()]


class _Frozen:
    """A pass without gradient, captured.

    Args:
        inner: Image (B, 3, H, W) to something with B rows.
        module: Holds what it reads.
        most: Graphs.
        multiple: B is filled up to a multiple of it.
    """

    def __init__(
        self, inner: Callable, module: nn.Module, most: int, multiple: int = 1
    ) -> None:
        self.inner, self.module, self.multiple = inner, module, multiple
        self.graphs = _Graphs(most)

    def __call__(self, image: Tensor | None, *rest: Any) -> Tensor:
        usable = image is not None and len(image) > 0
        if not usable or torch.is_grad_enabled():
            return self.inner(image, *rest)
        count = len(image)
        filled = F.pad(image, (0,) * 7 + (-count % self.multiple,))
        graph = self.graphs.find(filled, self._capture)
        found = self.inner(filled) if graph is None else graph(filled)
        return found[:count]

    def _capture(self, image: Tensor) -> Callable[[Tensor], Tensor]:
        static, graph = image.clone(), torch.cuda.CUDAGraph()
        with _uncached():
            _prepare(lambda: self.inner(static))
            with _capturing(graph):
                out = self.inner(static)
        tables = _tables(self.module)

        def replay(image: Tensor, _kept: Any = tables) -> Tensor:
            static.copy_(image)
            graph.replay()
            return out.clone()  # the next replay writes there

        return replay
