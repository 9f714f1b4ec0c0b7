"""What mmengine's optimiser and its FSDP must be told of frozen parts."""

from typing import Any

import torch.nn as nn
from mmengine.model import MMFullyShardedDataParallel
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import MODEL_WRAPPERS, OPTIM_WRAPPER_CONSTRUCTORS

from ..models import FrozenTeacher

__all__ = ['TeacherFSDP', 'TrainableConstructor']


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TrainableConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, without modules that are frozen as a whole.

    The default makes a parameter group of every frozen tensor and warns of
    each, hundreds of lines for two teachers. All its options
    (``paramwise_cfg``) work as they do there.
    """

    def add_params(
        self,
        params: list[dict],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: int | float | None = None,
    ) -> None:
        if any(p.requires_grad for p in module.parameters()):
            super().add_params(params, module, prefix, is_dcn_module)


@MODEL_WRAPPERS.register_module()
class TeacherFSDP(MMFullyShardedDataParallel):
    """mmengine's FSDP, for a student with frozen teachers.

    FSDP looks every sharded parameter up in the state dict that it has
    gathered, where a :class:`FrozenTeacher` has taken its own away. Here the
    teachers leave theirs until FSDP is done.
    """

    def state_dict(self, *args: Any, **kwargs: Any) -> dict:
        """As of the model without FSDP: no key of a teacher."""
        teachers = {
            name: module
            for name, module in self.module.named_modules()
            if isinstance(module, FrozenTeacher)
        }
        try:
            for module in teachers.values():
                module.absent = False
            found = super().state_dict(*args, **kwargs)
        finally:
            for module in teachers.values():
                module.absent = True
        prefixes = tuple(f'{name}.' for name in teachers)
        for key in [k for k in found if k.startswith(prefixes)]:
            del found[key]
        return found
