"""Which parameters the optimiser is told about."""

import torch.nn as nn
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

__all__ = ['TrainableConstructor']


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
