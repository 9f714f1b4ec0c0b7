"""The model behind the wrappers of distributed training."""

import torch.nn as nn
from mmengine.model import is_model_wrapper

__all__ = ['unwrap']


def unwrap(runner) -> nn.Module:
    """The runner's model itself, without a wrapper."""
    model = runner.model
    return model.module if is_model_wrapper(model) else model
