"""FSDP of a model some of whose parts are absent from checkpoints."""

from typing import Any

from mmengine.model import MMFullyShardedDataParallel
from mmengine.registry import MODEL_WRAPPERS

from ..models import FrozenTeacher

__all__ = ['TeacherFSDP']


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
