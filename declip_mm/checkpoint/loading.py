"""Strict loading: every weight of a tower from the file, nothing left over."""

import torch.nn as nn
from torch import Tensor

from .activation import check_activation
from .consumers import BACKBONE, refuse_consumer
from .fingerprint import FINGERPRINT_KEY, compare_fingerprints
from .layouts import read_parts
from .reader import read_checkpoint

__all__ = ['check_fit', 'load_image_tower', 'load_text_tower']


def load_image_tower(
    trunk: nn.Module,
    path: str,
    fingerprint: dict | None = None,
    prefix: str | None = None,
) -> dict:
    """Load a file into an image trunk, strictly.

    Args:
        trunk: Module to fill.
        path: Weight file of any layout that
            :mod:`~declip_mm.checkpoint.layouts` knows.
        fingerprint: Of the model; compared with the file's where it has one.
        prefix: Only keys under this prefix are looked at (``'backbone.'`` of
            a detector's checkpoint); stripped.

    Returns:
        The file's fingerprint (empty if it has none).

    Raises:
        FingerprintError: Of another model, or with another activation.
        ValueError: Missing, unexpected or misshapen keys, by name, or the
            checkpoint of a whole detector or segmentor without ``prefix``.
    """
    weights, meta = read_checkpoint(path)
    theirs = meta.get(FINGERPRINT_KEY, {})
    if prefix:
        weights = _under_prefix(weights, prefix, path)
    else:
        refuse_consumer(weights, path, BACKBONE, 'a backbone')
    ours = fingerprint or {}
    if theirs:
        compare_fingerprints(theirs, ours, path)
    check_activation(trunk, path, ours.get('model'))
    parts = read_parts(weights)
    if not parts.visual:
        raise ValueError(
            f'{path} has no image tower: none of its {len(weights)} keys '
            f'(such as {", ".join(list(weights)[:3])}) starts with visual. or '
            'is a key of the trunk. See what it is with '
            'tools/model_converters/inspect_checkpoint.py.'
        )
    expected = trunk.state_dict()
    check_fit(parts.visual, parts.strange, expected, path, 'image tower')
    trunk.load_state_dict(parts.visual)
    return theirs


def load_text_tower(
    tower: nn.Module, path: str, model: str | None = None
) -> None:
    """Fill a text tower from a CLIP file; other towers in it are ignored.

    Args:
        tower: ``open_clip.transformer.TextTransformer``.
        path: Weight file of any known layout that has a text tower.
        model: Name of the CLIP; compared with the file's fingerprint.

    Raises:
        FingerprintError: Of another CLIP, or with another activation.
        ValueError: Missing, unexpected, misshapen or non-finite keys, by
            name, or the checkpoint of a whole detector or segmentor.
    """
    weights, meta = read_checkpoint(path)
    refuse_consumer(weights, path, BACKBONE, 'a text tower')
    theirs = meta.get(FINGERPRINT_KEY, {})
    if model and 'custom' not in (model, theirs.get('model', 'custom')):
        compare_fingerprints(theirs, dict(model=model), path)
    check_activation(tower, path, model)
    parts = read_parts(weights)
    if not parts.text:
        raise ValueError(
            f'{path} has no text tower: no key begins with text. or is '
            'token_embedding.weight. A file of the image tower alone cannot '
            'name classes; give the full CLIP file.'
        )
    expected = tower.state_dict()
    check_fit(parts.text, parts.strange, expected, path, 'text tower')
    tower.load_state_dict(parts.text)


def check_fit(
    found: dict[str, Tensor],
    strange: list[str],
    expected: dict[str, Tensor],
    path: str,
    what: str,
) -> None:
    """Refuse weights that do not fill a module exactly.

    Args:
        found: What the file has for the module, under the module's names.
        strange: Keys of the file that belong nowhere.
        expected: State dict of the module.
        path: File name, for the message.
        what: ``'image tower'``, say.

    Raises:
        ValueError: Missing, unexpected, misshapen or non-finite, by name.
    """
    missing = [k for k in expected if k not in found]
    extra = [k for k in found if k not in expected]
    misshapen = [
        f'{k} {tuple(found[k].shape)} against {tuple(expected[k].shape)}'
        for k in expected
        if k in found and found[k].shape != expected[k].shape
    ]
    if missing or extra or strange or misshapen:
        raise ValueError(
            f'{path} does not fit this {what}. Missing: {_some(missing)}. '
            f'Unexpected: {_some(extra + strange)}. Shapes (file against '
            f'model): {_some(misshapen)}. Check the model name against the '
            'file.'
        )
    bad = [k for k, v in found.items() if not v.isfinite().all()]
    if bad:
        raise ValueError(
            f'{path} has NaN or infinite weights: {_some(bad)}. The training '
            'that wrote it went wrong; take an earlier file.'
        )


def _under_prefix(
    weights: dict[str, Tensor], prefix: str, path: str
) -> dict[str, Tensor]:
    prefix = prefix if prefix.endswith('.') else f'{prefix}.'
    found = {
        k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)
    }
    if not found:
        tops = sorted({k.split('.')[0] for k in weights})
        raise ValueError(
            f'{path} has no key under prefix {prefix!r}; its keys start with '
            f'{", ".join(tops[:8])}. Set prefix to one of them.'
        )
    return found


def _some(names: list[str], limit: int = 6) -> str:
    if not names:
        return 'none'
    rest = len(names) - limit
    return ', '.join(names[:limit]) + (f' and {rest} more' if rest > 0 else '')
