"""What a weight file is, in words."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

from torch import Tensor

from .activation import told_activation
from .consumers import apart, consumer_of
from .facts import guess_model, name_hints, tower_facts
from .fingerprint import FINGERPRINT_KEY
from .layouts import CLIPParts, read_parts
from .reader import read_checkpoint

__all__ = ['describe']


def describe(path: str, trust_pickle: str | None = None) -> dict[str, Any]:
    """Look at a weight file.

    Args:
        path: File of any layout, also of none that is known.
        trust_pickle: See :func:`~declip_mm.checkpoint.reader.read_content`.

    Returns:
        ``file``, ``bytes``, ``sha256``, ``layout``, ``consumer`` (which
        model of ours it fills, and which configs), ``tower`` (kind and
        sizes), ``model`` (open_clip's name for such a tower), ``activation``
        (and what tells it), ``parts`` (part -> tensors, parameters),
        ``dtypes``, ``not_finite`` (names),
        ``strange`` (names), ``fingerprint``, ``license`` and ``hints`` (of
        the file name).
    """
    weights, meta = read_checkpoint(path, trust_pickle)
    consumer = consumer_of(weights)
    clip, heads = apart(weights, consumer)
    parts = read_parts(clip)
    parts.beside.update(heads)
    fingerprint = meta.get(FINGERPRINT_KEY) or {}
    named = ('visual', 'text', 'scalars', 'beside')
    strange = {k: weights[k] for k in parts.strange if k in weights}
    return dict(
        file=Path(path).name,
        bytes=Path(path).stat().st_size,
        sha256=_digest(path),
        layout=parts.layout or 'unknown',
        consumer=consumer
        and f'{consumer.name}, for {consumer.configs}. {consumer.remedy}.',
        tower=dict(kind=parts.trunk, **tower_facts(parts)),
        model=fingerprint.get('model') or guess_model(parts) or 'unknown',
        activation=_activation(parts, path),
        parts={
            **{name: _count(getattr(parts, name)) for name in named},
            'strange': _count(strange),
        },
        dtypes=dict(Counter(str(v.dtype)[6:] for v in weights.values())),
        not_finite=[k for k, v in weights.items() if not _finite(v)],
        strange=parts.strange,
        fingerprint=fingerprint,
        license=fingerprint.get('license')
        or fingerprint.get('licence')  # its name before 0.1
        or 'not stated in the file',
        hints=name_hints(path),
    )


def _activation(parts: CLIPParts, path: str) -> str:
    """What is known of it, in words; where there is no choice, nothing."""
    if not (parts.trunk == 'openai' or (parts.text and not parts.visual)):
        return ''
    told = told_activation(path, guess_model(parts))
    if told:
        return f'{told.activation}: {told.by}'
    return (
        'unknown: GELU or QuickGELU, nothing tells; weights of OpenAI, DFN '
        'and MetaCLIP want quick_gelu=True'
    )


def _count(weights: dict[str, Tensor]) -> dict[str, int]:
    total = sum(v.numel() for v in weights.values())
    return dict(tensors=len(weights), parameters=total)


def _finite(value: Tensor) -> bool:
    return not value.is_floating_point() or bool(value.isfinite().all())


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
