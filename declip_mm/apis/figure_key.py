"""When a figure that was measured before may be taken again."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..assets import ASSET_SCHEME, resolve_asset

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ['figure_key']


def figure_key(cfg: 'Config') -> str:
    """Hash of all that decides the figures of a test config.

    That is all but ``work_dir``, and size and time of every file that it
    names: weights that are written anew under their old path are other
    weights.

    Args:
        cfg: Test config.

    Returns:
        Hexadecimal digits.
    """
    parts = {k: v for k, v in cfg.to_dict().items() if k != 'work_dir'}
    loader = parts.get('test_dataloader') or {}
    root = Path((loader.get('dataset') or {}).get('data_root') or '')
    told = [json.dumps(parts, sort_keys=True, default=str)]
    for text in sorted(set(_strings(parts))):
        for path in _files(text, root):
            stat = path.stat()
            told.append(f'{path} {stat.st_size} {stat.st_mtime_ns}')
    return hashlib.sha256('\n'.join(told).encode()).hexdigest()


def _strings(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, (dict, list, tuple)):
        for value in node.values() if isinstance(node, dict) else node:
            yield from _strings(value)


def _files(text: str, root: Path) -> list[Path]:
    """The file that a string names, as it is or below the data's root."""
    if text.startswith(ASSET_SCHEME):
        return [Path(resolve_asset(text))]
    paths = dict.fromkeys((Path(text), root / text))
    # Path.is_file raises for a text that is too long for a name
    return [path for path in paths if os.path.isfile(path)]
