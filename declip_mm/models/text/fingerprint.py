"""What class embeddings were made of, and the refusal of mismatches."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import torch.nn as nn

from ...checkpoint import FingerprintError
from .comparing import name_difference
from .names import Phrases, synonyms_of
from .prompts import PromptSet

__all__ = [
    'compare_text_fingerprints',
    'names_digest',
    'phrases_digest',
    'state_digest',
    'text_fingerprint',
]

#: Fields that decide the matrix, and the field that says them in words.
_DECISIVE = {
    'dim': 'dim',
    'architecture': 'model',
    'weights': 'model',
    'prompts': 'prompts_label',
    'names': 'num_names',
    'phrases': 'num_phrases',
    'background': 'background',
}


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def names_digest(names: Sequence[str]) -> str:
    """SHA-256 of class names in their order."""
    return _digest(list(names))


def phrases_digest(phrases: Phrases) -> str:
    """SHA-256 of what is embedded for each class.

    Synonyms count as a list: files are older than ``'sofa|couch'`` for them.
    """

    def read(text: str) -> str | tuple[str, ...]:
        words = synonyms_of(text)
        return words if len(words) > 1 else text

    return _digest([(n, [*map(read, own)]) for n, own in phrases.items()])


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


def text_fingerprint(
    tower: dict[str, Any],
    phrases: Phrases,
    prompts: PromptSet,
    background: str | None,
) -> dict[str, Any]:
    """Fingerprint of the embeddings that these parts give.

    Args:
        tower: Fingerprint of the text encoder.
        phrases: As :func:`~declip_mm.models.text.names.class_phrases` gives.
        prompts: Templates.
        background: Phrase of the background row, if any.
    """
    return dict(
        tower,
        prompts=prompts.digest,
        prompts_label=prompts.label,
        names=names_digest(list(phrases)),
        num_names=len(phrases),
        phrases=phrases_digest(phrases),
        num_phrases=sum(map(len, phrases.values())),
        background=background,
    )


def compare_text_fingerprints(
    theirs: dict[str, Any],
    ours: dict[str, Any],
    origin: str,
    names: Sequence[str],
    wanted_names: Sequence[str] | None = None,
) -> None:
    """Refuse class embeddings that were made of other parts.

    Args:
        theirs: Fingerprint in the file.
        ours: What is wanted; fields it lacks are not compared.
        origin: File name, for the message.
        names: Class names in the file.
        wanted_names: Class names that are wanted, if they are to be compared.

    Raises:
        FingerprintError: Names both sides of every field that differs.
    """
    found = []
    if wanted_names is not None and list(names) != list(wanted_names):
        difference = name_difference(
            names, wanted_names, 'the file', 'what is wanted'
        )
        found.append(f'names: {difference}')
    for field, words in _DECISIVE.items():
        if field not in ours or theirs.get(field) == ours[field]:
            continue
        if found and field in ('names', 'phrases'):
            continue  # said above, name by name
        found.append(
            f'{field}: file has {_side(theirs, field, words)}, '
            f'wanted is {_side(ours, field, words)}'
        )
    if found:
        raise FingerprintError(
            f'class embeddings {origin} do not fit. ' + '; '.join(found) + '. '
            'Dump them anew with tools/misc/class_embeddings.py, or name the '
            'file that was made for this model and these classes.'
        )


def _side(side: dict[str, Any], field: str, words: str) -> str:
    value = side.get(field)
    if field == words or value is None:
        return repr(value)
    return f'{side.get(words)!r} (sha256 {str(value)[:12]})'
