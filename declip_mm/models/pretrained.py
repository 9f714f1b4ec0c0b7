"""Where a weight file is, and which model it is of."""

import re
from pathlib import Path
from typing import Any

import open_clip
from torch import Tensor

from ..assets import resolve_asset
from ..checkpoint import guess_model, read_parts
from .download import OPEN_CLIP, cached, fetch_from_hub, list_hub
from .towers import ModelConfig, read_model_config

__all__ = ['described_model', 'find_weights']

_SUFFIXES = ('.safetensors', '.pth', '.pt', '.bin')
_USUAL = ('model.safetensors', 'open_clip_model.safetensors')
_HUB_ID = re.compile(r'^[\w.-]+/[\w.-]+$')


def find_weights(
    source: str,
    filename: str | None = None,
    revision: str | None = None,
) -> str:
    """Path of a weight file: a file, a folder with one, or a hub repository.

    Args:
        source: Path, ``declip_mm://`` asset, or ``user/repository``.
        filename: Which file of a folder or repository; needed where there
            are several and none is called ``model.safetensors`` or
            ``open_clip_model.safetensors``.
        revision: Branch, tag or commit of the repository.

    Raises:
        FileNotFoundError: Nothing there, and no hub repository by its form.
        ValueError: Several files, or none, to choose from.
        ConnectionError: The hub cannot be reached or does not have it.
    """
    source = resolve_asset(str(source))
    path = Path(source)
    if path.is_file():
        return source
    if path.is_dir():
        names = [p.name for p in path.iterdir() if p.is_file()]
        return str(path / _choose(names, filename, source))
    if source.endswith(_SUFFIXES) or not _HUB_ID.match(source):
        raise FileNotFoundError(
            f'{source} is neither a file nor a folder here, and no hub '
            "repository ('user/name') by its form. Check the path."
        )
    return _from_hub(source, filename, revision)


def _choose(names: list[str], wanted: str | None, source: str) -> str:
    weights = sorted(n for n in names if n.endswith(_SUFFIXES))
    usual = [name for name in _USUAL if name in weights]
    if wanted is None and (usual or len(weights) == 1):
        return (usual or weights)[0]
    if wanted is not None and wanted in names:
        return wanted
    raise ValueError(
        f'{source} has the weight files {", ".join(weights) or "(none)"}; '
        f'filename={wanted!r} names none of them. Give filename.'
    )


def _from_hub(
    repository: str, filename: str | None, revision: str | None
) -> str:
    wanted_by = f'from_pretrained({repository!r})'
    found = cached(repository, [filename] if filename else _USUAL, revision)
    if found is not None:
        return found
    if filename is None:
        names = list_hub(repository, wanted_by, revision)
        filename = _choose(names, None, repository)
    return fetch_from_hub(repository, [filename], wanted_by, revision)


def described_model(
    said: dict[str, Any], weights: dict[str, Tensor], path: str
) -> ModelConfig:
    """Architecture of a file: what it says, else what its sizes tell.

    open_clip's own files have a configuration beside them.
    """
    if 'architecture' in said:
        return dict(said['architecture'])
    beside = Path(path).with_name('open_clip_config.json')
    if not said and Path(path).name in OPEN_CLIP and beside.is_file():
        return read_model_config(str(beside))
    names = (said.get('model'), guess_model(read_parts(weights)))
    known = [n for n in names if n and n in open_clip.list_models()]
    if not known:
        raise ValueError(
            f'{path} does not say which model it is (fingerprint: '
            f'{said.get("model")!r}), and its sizes are those of no model '
            'that is known by name. Give model=..., an open_clip name or a '
            'config dict.'
        )
    return known[0]
