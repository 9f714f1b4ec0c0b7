"""Reading weight files without running what is in them."""

import pickle
import zipfile
from pathlib import Path
from typing import Any, Dict, Tuple

import torch
from torch import Tensor

__all__ = ['read_checkpoint', 'unwrap']

#: Where training frameworks put the weights.
_CONTAINERS = ('state_dict', 'model', 'module', 'model_ema')


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(n.endswith('constants.pkl') for n in archive.namelist())


def unwrap(content: Any, origin: str) -> Tuple[Dict[str, Tensor], dict]:
    """Find the state dict in a checkpoint's content.

    Returns:
        The tensors by key, without a ``module.`` prefix, and the ``meta``
        dict of an mmengine checkpoint (else an empty one).
    """
    meta = content.get('meta', {}) if isinstance(content, dict) else {}
    for _ in range(2):
        for name in _CONTAINERS:
            if isinstance(content, dict) and isinstance(
                content.get(name), dict
            ):
                content = content[name]
                break
    if not isinstance(content, dict) or not content:
        raise ValueError(
            f'{origin} holds no state dict: got {type(content).__name__}, '
            f'looked under {", ".join(_CONTAINERS)} and at the top level.'
        )
    weights = {k: v for k, v in content.items() if isinstance(v, Tensor)}
    if not weights:
        raise ValueError(f'{origin} holds no tensor at all.')
    if all(key.startswith('module.') for key in weights):
        weights = {k[len('module.') :]: v for k, v in weights.items()}
    return weights, meta if isinstance(meta, dict) else {}


def read_checkpoint(path: str) -> Tuple[Dict[str, Tensor], dict]:
    """Read the weights of a file on the CPU.

    Takes safetensors, ``torch.save`` files (``weights_only``) and the
    TorchScript archives in which OpenAI published CLIP.

    Returns:
        State dict and mmengine ``meta`` (empty for other files).

    Raises:
        FileNotFoundError: No such file.
        ValueError: The file is truncated, no weight file, or would need to
            run code to be read.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f'weight file {path} does not exist.')
    try:
        if file.suffix == '.safetensors':
            from safetensors.torch import load_file

            return load_file(path), _safetensors_meta(path)
        if _is_torchscript(file):
            script = torch.jit.load(path, map_location='cpu')
            return dict(script.state_dict()), {}
        content = torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f'{path} cannot be read as plain weights ({error}). It is either '
            'damaged or holds pickled code. Re-save it with its state dict '
            'alone, in an environment where you trust it.'
        ) from error
    except Exception as error:
        raise ValueError(
            f'{path} ({file.stat().st_size} bytes) is no readable weight '
            f'file: {type(error).__name__}: {error}. It may be truncated; '
            'fetch it again.'
        ) from error
    return unwrap(content, str(path))


def _safetensors_meta(path: str) -> dict:
    import json

    from safetensors import safe_open

    with safe_open(path, 'pt') as file:
        text = (file.metadata() or {}).get('declip')
    return {'declip': json.loads(text)} if text else {}
