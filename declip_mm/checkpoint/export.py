"""Taking the backbone out of a training checkpoint."""

import json
import os
from pathlib import Path

import torch

from .fingerprint import FINGERPRINT_KEY

__all__ = ['export_backbone', 'save_atomically']


def save_atomically(content: object, path: str) -> None:
    """``torch.save`` that never leaves half a file under ``path``."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    part = f'{path}.part'
    torch.save(content, part)
    os.replace(part, path)


def export_backbone(
    checkpoint: str, out: str, prefix: str = 'backbone.'
) -> dict:
    """Write the backbone of a training checkpoint to a file of its own.

    The file drops into any config as ``init_cfg=dict(type='Pretrained',
    checkpoint=out, prefix='backbone.')``. Its weights are those that were
    evaluated: the mixture where a weight ensemble was on.

    Args:
        checkpoint: File that the runner saved.
        out: ``.pth`` or ``.safetensors``.
        prefix: Where the backbone is in the checkpoint.

    Returns:
        The fingerprint that was written along.

    Raises:
        ValueError: The checkpoint has no fingerprint or no such keys.
    """
    # Our own runner's file: beside the weights it holds optimiser state and
    # message history, which the weights_only reader does not take.
    content = torch.load(checkpoint, map_location='cpu', weights_only=False)
    fingerprint = content.get('meta', {}).get(FINGERPRINT_KEY)
    if not fingerprint:
        raise ValueError(
            f'{checkpoint} has no fingerprint, so its affinity and scale are '
            'unknown. Train with FingerprintHook, as the shipped configs do.'
        )
    weights = {
        key: value.contiguous()
        for key, value in content['state_dict'].items()
        if key.startswith(prefix)
    }
    if not weights:
        raise ValueError(f'{checkpoint} has no key under {prefix!r}.')
    if Path(out).suffix == '.safetensors':
        from safetensors.torch import save_file

        Path(out).parent.mkdir(parents=True, exist_ok=True)
        part = f'{out}.part'
        save_file(weights, part, {'declip': json.dumps(fingerprint)})
        os.replace(part, out)
    else:
        meta = {FINGERPRINT_KEY: fingerprint}
        save_atomically(dict(meta=meta, state_dict=weights), out)
    return fingerprint
