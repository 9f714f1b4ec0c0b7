"""Writing files that are whole or not there."""

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from .fingerprint import FINGERPRINT_KEY

__all__ = ['SUFFIXES', 'atomically', 'save_weights']

#: Of weight files that we write.
SUFFIXES = ('.pth', '.pt', '.safetensors')
#: Bytes; a file system that has no more is full.
_NOTHING = 2**16


@contextmanager
def atomically(path: str | Path) -> Iterator[Path]:
    """Gives a name to write to; ``path`` gets the file when it is whole.

    The file is on the disk before it takes its name, so that neither a kill
    nor a power cut leaves half of it there. What was under ``path`` stays
    until then.

    Raises:
        OSError: Names ``path``; also where torch, which says nothing of the
            disk, ran out of it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Processes on several machines may have the same number.
    own = f'{uuid.uuid4().hex[:8]}.{os.getpid()}'
    part = path.with_name(f'.{path.name}.{own}.part')
    try:
        yield part
        with part.open('rb') as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        # one that somebody wrote a message for has no number
        if error.errno and error.filename in (None, str(part), part):
            error.filename = str(path)
        raise
    except RuntimeError as error:
        if shutil.disk_usage(path.parent).free > _NOTHING:
            raise
        full = errno.ENOSPC
        raise OSError(full, os.strerror(full), str(path)) from error
    finally:
        part.unlink(missing_ok=True)


def save_weights(
    weights: dict[str, Tensor],
    out: str | Path,
    fingerprint: dict | None = None,
    bare: bool = False,
    dataset_meta: dict | None = None,
) -> None:
    """Write a weight file, in the format that its suffix says.

    Args:
        weights: State dict.
        out: ``.pth``, ``.pt`` or ``.safetensors``.
        fingerprint: Goes into ``meta``, or into safetensors' header.
        bare: Write a torch file without ``meta``, as programs expect that
            know nothing of it; a header disturbs nobody and stays.
        dataset_meta: Class names and the like, plain values, that a
            detector was trained with; goes beside the fingerprint.

    Raises:
        ValueError: Another suffix.
    """
    suffix = Path(out).suffix
    if suffix not in SUFFIXES:
        raise ValueError(
            f'weights go into {" or ".join(SUFFIXES)} files, got {out}.'
        )
    told = {FINGERPRINT_KEY: fingerprint, 'dataset_meta': dataset_meta}
    meta = {key: value for key, value in told.items() if value}
    if suffix == '.safetensors':
        header = {key: json.dumps(value) for key, value in meta.items()}
        # Its own copies: views of one storage are refused.
        plain = {k: v.contiguous().clone() for k, v in weights.items()}
        with atomically(out) as part:
            save_file(plain, part, header or None)
    else:
        content = weights if bare else dict(meta=meta, state_dict=weights)
        with atomically(out) as part:
            torch.save(content, part)
