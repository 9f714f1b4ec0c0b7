"""The hash of a text tower's weights."""

import hashlib

import torch.nn as nn

__all__ = ['state_digest']


def state_digest(module: nn.Module) -> str:
    """SHA-256 over names, shapes and float32 values of a state dict.

    A half-precision file and its float32 copy give the same digest.
    """
    digest = hashlib.sha256()
    for key, value in sorted(module.state_dict().items()):
        digest.update(f'{key}{tuple(value.shape)}'.encode())
        values = value.detach().float().cpu().contiguous()
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()
