"""In which precision a training step is computed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn as nn
from mmengine.logging import print_log
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.optim.optimizer.amp_optimizer_wrapper import GradScaler
from mmengine.registry import OPTIM_WRAPPERS
from torch.distributed.fsdp.sharded_grad_scaler import ShardedGradScaler
from torch.optim import Optimizer

__all__ = ['MixedOptimWrapper']

_ALLOWED = ('auto', 'bfloat16', 'float16', 'float32')


@OPTIM_WRAPPERS.register_module()
class MixedOptimWrapper(AmpOptimWrapper):
    """Autocast as the device of the parameters is good at it.

    The device is asked when the wrapper is built, so one config trains on
    GPUs with and without bfloat16 and on a CPU, from any runner. Parameters,
    their gradients and the losses stay in float32. A checkpoint of any
    precision can be resumed in any other.

    Args:
        optimizer: The optimiser.
        dtype: ``'auto'``: bfloat16 on a GPU that has it, float16 on another
            accelerator, float32 on a CPU. ``'float16'`` is float32 on a CPU
            as well; ``'bfloat16'`` and ``'float32'`` are taken literally.
        loss_scale: Of float16 alone: ``'dynamic'``, a number, or arguments
            of :class:`torch.amp.GradScaler`. bfloat16 has the range of
            float32 and needs none.
        use_fsdp: As in mmengine's ``AmpOptimWrapper``.
        kwargs: Of mmengine's ``OptimWrapper``.

    Raises:
        ValueError: An unknown ``dtype``, or bfloat16 on a GPU without it.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        dtype: str = 'auto',
        loss_scale: str | float | dict = 'dynamic',
        use_fsdp: bool = False,
        **kwargs: Any,
    ) -> None:
        # not AmpOptimWrapper's: that one insists on a GPU
        OptimWrapper.__init__(self, optimizer, **kwargs)
        self.device_type = _device(optimizer).type
        self.cast_dtype = _settle(dtype, self.device_type)
        half = self.cast_dtype == torch.float16
        self._scale_update_param = None
        self.loss_scaler = _scaler(loss_scale, use_fsdp, enabled=half)
        if half and isinstance(loss_scale, (int, float)):
            self._scale_update_param = float(loss_scale)
        name = str(self.cast_dtype).removeprefix('torch.')
        print_log(
            f'training in {name} on {self.device_type}'
            f'{" with loss scaling" * half}.',
            logger='current',
        )

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast around the forward pass, nothing around float32."""
        mixed = self.cast_dtype != torch.float32
        with OptimWrapper.optim_context(self, model):
            if not mixed:
                yield
                return
            with torch.autocast(self.device_type, dtype=self.cast_dtype):
                yield

    def state_dict(self) -> dict:
        """The optimiser's, with the loss scale where there is one."""
        state = super().state_dict()
        if not state['loss_scaler']:  # a scaler refuses an empty one
            del state['loss_scaler']
        return state


def _device(optimizer: Optimizer) -> torch.device:
    return next(
        p.device for group in optimizer.param_groups for p in group['params']
    )


def _settle(dtype: str, device_type: str) -> torch.dtype:
    """The precision that ``dtype`` means on a device."""
    if dtype not in _ALLOWED:
        raise ValueError(
            f'optim_wrapper.dtype={dtype!r} is unknown; allowed: '
            f'{", ".join(_ALLOWED)}.'
        )
    plain = device_type in ('cpu', 'meta', 'mps')
    if dtype == 'float32' or (plain and dtype != 'bfloat16'):
        return torch.float32
    if device_type != 'cuda':
        return torch.float16 if dtype == 'auto' else getattr(torch, dtype)
    if dtype == 'bfloat16' and not _gpu_has_bfloat16():
        raise ValueError(
            "optim_wrapper.dtype='bfloat16', and this GPU has none. Take "
            "'auto', which is float16 with loss scaling here."
        )
    if dtype == 'auto':
        dtype = 'bfloat16' if _gpu_has_bfloat16() else 'float16'
    return getattr(torch, dtype)


def _gpu_has_bfloat16() -> bool:
    """Units for it, not an emulation."""
    return bool(torch.version.hip) or torch.cuda.get_device_capability()[0] > 7


def _scaler(
    loss_scale: str | float | dict, use_fsdp: bool, enabled: bool
) -> Any:
    """A scaler of losses, or one that does nothing."""
    if isinstance(loss_scale, (int, float)):
        options: dict[str, Any] = dict(init_scale=float(loss_scale))
    elif isinstance(loss_scale, dict):
        options = dict(loss_scale)
    elif loss_scale == 'dynamic':
        options = {}
    else:
        raise ValueError(
            f"loss_scale={loss_scale!r} is unknown; allowed are 'dynamic', a "
            'number, or a dict of arguments of torch.amp.GradScaler.'
        )
    options.setdefault('enabled', enabled)
    kind = ShardedGradScaler if use_fsdp and enabled else GradScaler
    return kind(**options)
