"""The floor: bare passes of the networks, with nothing around them."""

import copy
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import Tensor

from ..engine.graphs import TwoGraphs
from ..models.towers import Tower
from .operations import operations
from .subject import Subject

__all__ = ['BarePasses', 'precision']


def precision(optim: OptimWrapper, device: torch.device) -> torch.dtype:
    """What a step computes in: the autocast of its wrapper, else float32."""
    if not isinstance(optim, AmpOptimWrapper):
        return torch.float32
    if optim.cast_dtype is not None:
        return optim.cast_dtype
    return torch.get_autocast_dtype(device.type)


class BarePasses:
    """Each network once over a batch: embedding and plain blocks.

    The student forward and backward, the teachers forward; in the precision
    of the subject's step and with the same fused attention. No loss, no
    decoupled block, no optimiser, no pixels that are moved or normalised.

    Args:
        subject: Its student is copied, its teachers are used as they are.
    """

    def __init__(self, subject: Subject) -> None:
        model = subject.model
        self.student: Tower = copy.deepcopy(model.backbone.visual)
        self.crop_teacher: Tower = model.content_teacher.backbone.visual
        self.vfm = model.context_teacher
        self.device = subject.device
        self.dtype = precision(subject.optim, subject.device)
        self._graph: TwoGraphs | None = None
        self.inputs: dict[str, Tensor] = {}

    def take(self, subject: Subject) -> None:
        """Have the batch that a subject has now."""
        self.inputs = subject.inputs()
        self._graph = None

    def hurry(self) -> None:
        """Compile and capture, as :meth:`Subject.hurry` does."""
        for block in self.student.blocks:
            block.compile(dynamic=False)

    def capture(self) -> None:
        """Replay the student's pass over this batch from now on."""
        if self.device.type != 'cuda':
            return
        for _ in range(2):
            self.student_pass()
        with self._autocast():
            self._graph = TwoGraphs(
                lambda image: (_blocks(self.student, image),),
                self.student,
                self.inputs['image'],
            )

    def _autocast(self) -> AbstractContextManager:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def student_pass(self) -> None:
        """Forward and backward: what no step can be quicker than."""
        image = self.inputs['image']
        with self._autocast():
            if self._graph is None:
                out = _blocks(self.student, image)
            else:
                (out,) = self._graph(image)
            loss = out.float().square().mean()
        loss.backward()
        for parameter in self.student.parameters():
            parameter.grad = None

    @torch.no_grad()
    def crops_pass(self) -> Tensor:
        with self._autocast():
            out = _blocks(self.crop_teacher, self.inputs['crops'])
            return self.crop_teacher.pool(out)

    @torch.no_grad()
    def vfm_pass(self) -> Tensor:
        with self._autocast():
            return self.vfm(self.inputs['vfm'])

    def operations(self) -> dict[str, int]:
        """Of each network over the batch; no loss and no decoupled block."""
        found = {}
        for name, network in (
            ('image', self.student),
            ('crops', self.crop_teacher),
            ('vfm', self.vfm),
        ):
            twin = copy.deepcopy(network).to('meta')
            view = self.inputs[name].to('meta')

            def run(name: str = name, twin: Any = twin, view: Any = view):
                if name == 'vfm':
                    twin(view)
                elif name == 'crops':
                    with torch.no_grad():
                        twin.pool(_blocks(twin, view))
                else:
                    _blocks(twin, view).mean().backward()

            found[name] = operations(run)
        return dict(first=sum(found.values()), cached=found['image'])

    def all_passes(self) -> None:
        self.student_pass()
        self.crops_pass()
        self.vfm_pass()


def _blocks(tower: Tower, image: Tensor) -> Tensor:
    x, grid = tower.embed(image)
    for index in range(tower.num_layers):
        x = tower.run_block(index, x, grid)
    return x
