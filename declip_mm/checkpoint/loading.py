"""Strict loading of image towers."""

from typing import Dict, List, Optional

import torch.nn as nn
from torch import Tensor

from .fingerprint import FINGERPRINT_KEY, compare_fingerprints
from .keymaps import image_tower_keys
from .reader import read_checkpoint

__all__ = ['load_image_tower']


def load_image_tower(
    trunk: nn.Module,
    path: str,
    fingerprint: Optional[dict] = None,
    prefix: Optional[str] = None,
) -> dict:
    """Load a file into an image trunk, strictly.

    Args:
        trunk: Module to fill.
        path: Weight file of any layout that
            :func:`~declip_mm.checkpoint.keymaps.image_tower_keys` knows.
        fingerprint: Of the model; compared with the file's where it has one.
        prefix: Only keys under this prefix are looked at (``'backbone.'`` of
            a detector's checkpoint); stripped.

    Returns:
        The file's fingerprint (empty if it has none).

    Raises:
        ValueError: Missing, unexpected or misshapen keys, by name.
    """
    weights, meta = read_checkpoint(path)
    theirs = meta.get(FINGERPRINT_KEY, {})
    if theirs and fingerprint:
        compare_fingerprints(theirs, fingerprint, path)
    if prefix:
        weights = _under_prefix(weights, prefix, path)
    expected = trunk.state_dict()
    tower, strange = image_tower_keys(weights, expected)
    if not tower:
        raise ValueError(
            f'{path} has no image tower: none of its {len(weights)} keys '
            f'(such as {", ".join(list(weights)[:3])}) starts with visual. or '
            'is a key of the trunk.'
        )
    fused = {k for k in tower if '.in_proj_' in k} - set(expected)
    missing = [
        k for k in expected if k not in tower and not _in_fused(k, fused)
    ]
    extra = [k for k in tower if k not in expected and k not in fused]
    misshapen = [
        f'{k} {tuple(tower[k].shape)} against {tuple(expected[k].shape)}'
        for k in expected
        if k in tower and tower[k].shape != expected[k].shape
    ]
    if missing or extra or strange or misshapen:
        raise ValueError(
            f'{path} does not fit this image tower. Missing: '
            f'{_some(missing)}. Unexpected: {_some(extra + strange)}. Shapes '
            f'(file against model): {_some(misshapen)}. Check the model name '
            'against the file.'
        )
    bad = [k for k, v in tower.items() if not v.isfinite().all()]
    if bad:
        raise ValueError(f'{path} has NaN or infinite weights: {_some(bad)}.')
    trunk.load_state_dict(tower)
    return theirs


def _under_prefix(
    weights: Dict[str, Tensor], prefix: str, path: str
) -> Dict[str, Tensor]:
    prefix = prefix if prefix.endswith('.') else f'{prefix}.'
    found = {
        k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)
    }
    if not found:
        tops = sorted({k.split('.')[0] for k in weights})
        raise ValueError(
            f'{path} has no key under prefix {prefix!r}; its keys start with '
            f'{", ".join(tops[:8])}.'
        )
    return found


def _in_fused(key: str, fused: set) -> bool:
    """Whether a fused q, k, v matrix of the file will fill ``key``."""
    stem, _, tail = key.rpartition('attn.')
    part = tail.partition('_proj.')
    return part[0] in 'qkv' and f'{stem}attn.in_proj_{part[2]}' in fused


def _some(names: List[str], limit: int = 6) -> str:
    if not names:
        return 'none'
    rest = len(names) - limit
    return ', '.join(names[:limit]) + (f' and {rest} more' if rest > 0 else '')
