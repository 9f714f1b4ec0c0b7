"""Which parameters the optimiser is told about."""

import torch.nn as nn
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

from ..deprecation import todays_part

__all__ = ['TrainableConstructor']


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TrainableConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, without modules that are frozen as a whole.

    The default makes a parameter group of every frozen tensor and warns of
    each, hundreds of lines for two teachers. All its options
    (``paramwise_cfg``) work as they do there.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        # mmengine would not say that an old key has met no parameter
        inner = getattr(model, 'module', model)
        keys = self.paramwise_cfg.get('custom_keys', {})
        self.paramwise_cfg['custom_keys'] = {
            todays_part(inner, key, 'custom_keys'): value
            for key, value in keys.items()
        }
        return super().__call__(model)

    def add_params(
        self,
        params: list[dict],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: int | float | None = None,
    ) -> None:
        if any(p.requires_grad for p in module.parameters()):
            super().add_params(params, module, prefix, is_dcn_module)
