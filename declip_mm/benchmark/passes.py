"""The floor: bare passes of the networks, with nothing around them."""

import copy
from contextlib import AbstractContextManager, nullcontext

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import Tensor

from ..models.towers import Tower
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
        self.inputs = model.data_preprocessor(subject.data, True)['inputs']

    def _autocast(self) -> AbstractContextManager:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def student_pass(self) -> None:
        """Forward and backward: what no step can be quicker than."""
        with self._autocast():
            out = _blocks(self.student, self.inputs['image'])
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

    def all_passes(self) -> None:
        self.student_pass()
        self.crops_pass()
        self.vfm_pass()


def _blocks(tower: Tower, image: Tensor) -> Tensor:
    x, grid = tower.embed(image)
    for index in range(tower.num_layers):
        x = tower.run_block(index, x, grid)
    return x
