"""Reading weight files without running what is in them."""

import json
import pickle
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from safetensors import safe_open
from torch import Tensor

from ..trust import TRUST
from .consumers import take_todays_keys
from .fingerprint import FINGERPRINT_KEY

__all__ = [
    'TRUST',
    'DamagedFileError',
    'UntrustedFileError',
    'check_whole',
    'peek',
    'read_checkpoint',
    'read_content',
    'weights_and_meta',
]

#: Where training frameworks put the weights.
_CONTAINERS = ('state_dict', 'model', 'module', 'model_ema')


class DamagedFileError(ValueError):
    """A weight file that is empty, cut short or altered."""


class UntrustedFileError(ValueError):
    """A file that cannot be read without running code in it."""


def check_whole(path: str) -> Path:
    """The path, if the file under it is there and all of it.

    A torch file is a zip archive, whose directory is at the end and has
    checksums; safetensors say their length at the start. Others pass.

    Raises:
        FileNotFoundError: No such file.
        DamagedFileError: It is empty, cut short or altered.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(
            f'weight file {path} does not exist. Check the path.'
        )
    problem = _problem(file)
    if problem:
        raise DamagedFileError(
            f'{path} ({file.stat().st_size} bytes) {problem}. It was written '
            'or fetched in part: fetch it again, or take an earlier one.'
        )
    return file


def _problem(file: Path) -> str:
    size = file.stat().st_size
    if not size:
        return 'is empty'
    with file.open('rb') as stream:
        start = stream.read(8)
    if file.suffix == '.safetensors':
        return _safetensors_problem(file, start, size)
    if not start.startswith(b'PK\x03\x04'):
        return ''
    if not zipfile.is_zipfile(file):
        return 'is truncated: it begins like a torch file and has no end'
    try:
        with zipfile.ZipFile(file) as archive:
            broken = archive.testzip()
    except Exception as error:  # whatever damage makes the parser stumble
        return f'is damaged: {type(error).__name__}: {error}'
    return f'is damaged: {broken} in it fails its checksum' if broken else ''


def _safetensors_problem(file: Path, start: bytes, size: int) -> str:
    length = struct.unpack('<Q', start)[0] if len(start) == 8 else size
    if length + 8 > size:
        return 'is no safetensors file, or truncated within its header'
    with file.open('rb') as stream:
        stream.seek(8)
        try:
            header = json.loads(stream.read(length))
            ends = [
                entry['data_offsets'][1]
                for name, entry in header.items()
                if name != '__metadata__'
            ]
        except (ValueError, TypeError, KeyError, AttributeError):
            return 'is no safetensors file: its header cannot be read'
    wanted = 8 + length + max(ends, default=0)
    return f'is truncated: {wanted} bytes are announced' * (wanted > size)


def read_content(path: str, trust_pickle: str | None = None) -> Any:
    """Content of a ``torch.save`` file, on the CPU.

    Plain values, tensors and what our own runner writes are read; pickled
    code is not run.

    Args:
        path: Of the file.
        trust_pickle: :data:`TRUST` lets code in the file run.

    Raises:
        DamagedFileError: Empty, cut short or altered.
        UntrustedFileError: Pickled code, and no ``trust_pickle``.
        ValueError: No weight file.
    """
    if trust_pickle not in (None, TRUST):
        raise ValueError(
            f'trust_pickle={trust_pickle!r}: allowed are None and {TRUST!r}, '
            'which lets code in the file run.'
        )
    file = check_whole(path)
    try:
        with _own_globals():
            return torch.load(
                file, map_location='cpu', weights_only=trust_pickle != TRUST
            )
    except pickle.UnpicklingError as error:
        reason = str(error).split('Please file an issue')[0].split('\n')
        raise UntrustedFileError(
            f'{path} cannot be read as plain weights: it holds pickled code, '
            f'or is no weight file at all ({_reason(reason)}). Nothing in it '
            'was run. If you trust whoever made it, re-save its weights with '
            'convert.py (a CLIP) or publish.py (a whole model) of '
            f'tools/model_converters and --trust-pickle {TRUST}.'
        ) from error
    except Exception as error:
        if 'legacy .tar' in str(error):
            # torch's own message advises to run what is in the file.
            raise UntrustedFileError(
                f'{path} is in the .tar format of the first torch versions, '
                'which cannot be read without running code in it, or is no '
                'weight file at all. Re-save its weights with '
                f'tools/model_converters/convert.py --trust-pickle {TRUST} '
                'if you trust whoever made it.'
            ) from error
        raise DamagedFileError(
            f'{path} ({file.stat().st_size} bytes) is no readable weight '
            f'file: {type(error).__name__}: {error}. It may be truncated; '
            'fetch it again.'
        ) from error


def _reason(lines: list) -> str:
    told = [x.strip() for x in lines if 'GLOBAL' in x or 'nsupported' in x]
    return next(iter(told), lines[0].strip() or 'unknown')[:160]


def weights_and_meta(
    content: Any, origin: str
) -> tuple[dict[str, Tensor], dict]:
    """Find the state dict in a checkpoint's content.

    Returns:
        The tensors by key, without a ``module.`` prefix and under the names
        that our models have now, and the ``meta`` dict of an mmengine
        checkpoint (else an empty one).
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
    weights = {
        k: v
        for k, v in content.items()
        if isinstance(v, Tensor) and isinstance(k, str)
    }
    if not weights:
        raise ValueError(
            f'{origin} holds no tensor at all; its keys are '
            f'{", ".join(map(repr, list(content)[:6]))}. Give a file with a '
            'state dict.'
        )
    if all(key.startswith('module.') for key in weights):
        weights = {k[len('module.') :]: v for k, v in weights.items()}
    take_todays_keys(weights)
    return weights, meta if isinstance(meta, dict) else {}


def read_checkpoint(
    path: str, trust_pickle: str | None = None
) -> tuple[dict[str, Tensor], dict]:
    """Read the weights of a file on the CPU.

    Takes safetensors, ``torch.save`` files (``weights_only``) and the
    TorchScript archives in which OpenAI published CLIP.

    Args:
        path: Of the file.
        trust_pickle: See :func:`read_content`.

    Returns:
        State dict and mmengine ``meta`` (empty for other files).

    Raises:
        FileNotFoundError: No such file.
        ValueError: The file is damaged, no weight file, or would need to
            run code to be read.
    """
    file = check_whole(path)
    if file.suffix == '.safetensors':
        with safe_open(str(file), 'pt') as stored:
            told = stored.metadata() or {}
            names = list(stored.keys())
            weights = {name: stored.get_tensor(name) for name in names}
        take_todays_keys(weights)
        kept = [k for k in (FINGERPRINT_KEY, 'dataset_meta') if told.get(k)]
        return weights, {key: _header(key, told[key], path) for key in kept}
    if _is_torchscript(file):
        script = torch.jit.load(str(file), map_location='cpu')
        return dict(script.state_dict()), {}
    return weights_and_meta(read_content(path, trust_pickle), str(path))


def peek(path: str) -> tuple[set[str], dict, bool]:
    """What a file names, without reading its weights into memory.

    Returns:
        Names of its tensors, its ``meta``, and whether it is a TorchScript
        archive (its names are not read then). All empty where there is no
        file or it cannot be read: whoever loads it is told why.
    """
    file = Path(path)
    try:
        if file.suffix == '.safetensors':
            with safe_open(str(file), 'pt') as stored:
                said = (stored.metadata() or {}).get(FINGERPRINT_KEY)
                meta = {FINGERPRINT_KEY: json.loads(said)} if said else {}
                return set(stored.keys()), meta, False
        if _is_torchscript(file):
            return set(), {}, True
        with _own_globals():
            content = torch.load(
                file,
                map_location='cpu',
                weights_only=True,
                # the format of before torch 1.6 cannot be mapped
                mmap=zipfile.is_zipfile(file),
            )
        weights, meta = weights_and_meta(content, str(path))
        return set(weights), meta, False
    except Exception:  # missing, damaged, foreign: said on loading
        return set(), {}, False


def _header(key: str, text: str, path: str) -> dict:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(
            f'what {path} says under {key!r} is no JSON object: '
            f'{text[:80]!r}. The file was edited; take the original.'
        )
    return found


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(n.endswith('constants.pkl') for n in archive.namelist())


@contextmanager
def _own_globals() -> Iterator[None]:
    """Allow what our own runner writes, while the block runs.

    Before torch 2.6 nothing can be allowed under another's name; there our
    training checkpoints need the user's word (``trust_pickle``).
    """
    if not hasattr(torch.serialization, 'get_unsafe_globals_in_checkpoint'):
        yield
        return
    with torch.serialization.safe_globals(_allowed()):
        yield


def _allowed() -> list[Any]:
    """What torch's safe reader may build for our training checkpoints.

    Beside weights, mmengine's hold the history of the losses: numpy arrays
    in ``HistoryBuffer`` objects. All of these are plain values.
    """
    arrays = [np.ndarray, np.dtype, HistoryBuffer]
    dtypes = [type(np.dtype(kind)) for kind in 'bBhHiIlLqQefd?']
    # What pickle calls for an array and for a scalar; numpy moved both
    # between its versions 1 and 2.
    builders: list[Any] = [
        value.__reduce__()[0] for value in (np.zeros(1), np.float64())
    ]
    named = [
        (_buffer_method, 'builtins.getattr'),
        *(
            (build, f'numpy.{core}.multiarray.{build.__name__}')
            for core in ('core', '_core')
            for build in builders
        ),
    ]
    return [*arrays, *dict.fromkeys(dtypes), *named]


def _buffer_method(owner: Any, name: str) -> Any:
    """``getattr``, which pickle uses, for methods of the history alone."""
    if owner is not HistoryBuffer or name.startswith('_'):
        raise ValueError(
            f'getattr({owner!r}, {name!r}) in a checkpoint is allowed for '
            'the methods of HistoryBuffer alone.'
        )
    return getattr(HistoryBuffer, name)
