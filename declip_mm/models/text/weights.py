"""Strict loading of text towers, and the hash of what was loaded."""

import hashlib
import re

import torch.nn as nn
from torch import Tensor

from ...checkpoint import read_checkpoint

__all__ = ['load_text_tower', 'state_digest', 'text_tower_keys']

#: Text tower within open_clip's CLIP and OpenAI's files. CustomTextCLIP and
#: the official EVA-CLIP files have the same names under ``text.``.
_TEXT = re.compile(
    r'^(transformer\.|token_embedding\.|ln_final\.'
    r'|positional_embedding$|text_projection($|\.)|cls_emb$)'
)

#: What may stand beside a text tower.
_BESIDE = re.compile(
    r'^visual\.|^(logit_scale|logit_bias|input_resolution|context_length'
    r'|vocab_size)$'
)

#: Causal masks are computed, never loaded.
_COMPUTED = {'attn_mask', 'text.attn_mask'}


def text_tower_keys(
    weights: dict[str, Tensor],
) -> tuple[dict[str, Tensor], list[str]]:
    """Bring the text tower of any known layout to open_clip's own names.

    Returns:
        The tower's tensors, and the keys that belong to no known part.
    """
    prefix = 'text.' if any(k.startswith('text.') for k in weights) else ''
    tower, strange = {}, []
    for key, value in weights.items():
        if key in _COMPUTED or _BESIDE.search(key):
            continue
        if prefix and key.startswith(prefix):
            tower[key[len(prefix) :]] = value
        elif not prefix and _TEXT.search(key):
            tower[key] = value
        else:
            strange.append(key)
    return tower, strange


def load_text_tower(tower: nn.Module, path: str) -> None:
    """Fill a text tower from a CLIP file; other towers in it are ignored.

    Args:
        tower: ``open_clip.transformer.TextTransformer``.
        path: Weight file with open_clip's CLIP, CustomTextCLIP, OpenAI's or
            EVA-CLIP's official layout.

    Raises:
        ValueError: Missing, unexpected, misshapen or non-finite keys, by name.
    """
    found, strange = text_tower_keys(read_checkpoint(path)[0])
    if not found:
        raise ValueError(
            f'{path} has no text tower: no key begins with text. or is '
            'token_embedding.weight. A file of the image tower alone cannot '
            'name classes; give the full CLIP file.'
        )
    expected = tower.state_dict()
    missing = [k for k in expected if k not in found]
    extra = [k for k in found if k not in expected]
    misshapen = [
        f'{k} {tuple(found[k].shape)} against {tuple(expected[k].shape)}'
        for k in expected
        if k in found and found[k].shape != expected[k].shape
    ]
    if missing or extra or strange or misshapen:
        raise ValueError(
            f'{path} does not fit this text tower. Missing: {_some(missing)}. '
            f'Unexpected: {_some(extra + strange)}. Shapes (file against '
            f'model): {_some(misshapen)}. Check the model name against the '
            'file.'
        )
    bad = [k for k, v in found.items() if not v.isfinite().all()]
    if bad:
        raise ValueError(f'{path} has NaN or infinite weights: {_some(bad)}.')
    tower.load_state_dict(found)


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


def _some(names: list[str], limit: int = 6) -> str:
    if not names:
        return 'none'
    rest = len(names) - limit
    return ', '.join(names[:limit]) + (f' and {rest} more' if rest > 0 else '')
