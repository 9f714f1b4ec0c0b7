"""torch.compile of the transformer blocks, for training."""

from typing import Any

import torch
import torch.nn as nn
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS

from ..models import DeCLIPViT, VFMTeacher
from .unwrap import unwrap

__all__ = ['CompileHook']


@HOOKS.register_module()
class CompileHook(Hook):
    """Compiles the blocks of student and teachers, each in place.

    All blocks of a network share one compiled code, for one size of picture;
    another size compiles anew, another number of pictures or crops does not.
    Names of parameters, and so checkpoints, averages and fingerprints, stay
    what they are. Validation runs as without the hook: its sizes vary.

    Args:
        options: Of :func:`torch.compile`, such as ``backend`` or ``mode``.
    """

    def __init__(self, **options: Any) -> None:
        self.options = {'dynamic': False, **options}

    def before_train(self, runner) -> None:
        _allow_variants()
        count = _compile(unwrap(runner), self.options)
        print_log(
            f'{count} blocks will be compiled in the first steps.'
            if count
            else 'CompileHook found no DeCLIPViT and no VFM with blocks: '
            'nothing is compiled.',
            logger='current',
        )

    def before_val_epoch(self, runner) -> None:
        torch.compiler.set_stance('force_eager')

    def after_val_epoch(self, runner, metrics: dict | None = None) -> None:
        torch.compiler.set_stance('default')


def _allow_variants(most: int = 64) -> None:
    """Let one block have many compiled forms, by sizes and gradients.

    All networks share the code of a block; beyond eight forms torch runs it
    plainly from then on, with a warning.
    """
    config = torch._dynamo.config
    named = hasattr(config, 'recompile_limit')
    name = 'recompile_limit' if named else 'cache_size_limit'
    setattr(config, name, max(most, getattr(config, name)))


def _compile(model: nn.Module, options: dict[str, Any]) -> int:
    """Compile what is known to be transformer blocks; how many."""
    count = 0
    for module in model.modules():
        if isinstance(module, DeCLIPViT):
            count += module.compile_blocks(**options)
        elif isinstance(module, VFMTeacher):
            blocks = list(getattr(module.trunk, 'blocks', ()))
            for block in blocks:
                block.compile(**options)
            count += len(blocks)
    return count
