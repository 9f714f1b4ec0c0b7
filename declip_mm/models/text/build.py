"""From class names to class embeddings."""

import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.registry import MODELS

from .embeddings import ClassEmbeddings
from .encoder import DeCLIPTextEncoder
from .fingerprint import text_fingerprint
from .names import Names, class_phrases, synonyms_of
from .prompts import Prompts, expand, get_prompts
from .tokenizer import tokens_alike

__all__ = [
    'build_class_embeddings',
    'cached_class_embeddings',
    'expected_fingerprint',
]

#: Text encoder, or its config.
Encoder = DeCLIPTextEncoder | dict
Synonyms = Mapping[str, Sequence[str]] | None


def _built(encoder: Encoder) -> DeCLIPTextEncoder:
    return MODELS.build(encoder) if isinstance(encoder, dict) else encoder


def expected_fingerprint(
    encoder: DeCLIPTextEncoder,
    names: Names,
    prompts: Prompts = 'vild',
    synonyms: Synonyms = None,
    background: str | None = None,
) -> dict:
    """Fingerprint that :func:`build_class_embeddings` would write."""
    return text_fingerprint(
        encoder.fingerprint,
        class_phrases(names, synonyms),
        get_prompts(prompts),
        background,
    )


def build_class_embeddings(
    encoder: Encoder,
    names: Names,
    prompts: Prompts = 'vild',
    synonyms: Synonyms = None,
    background: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ClassEmbeddings:
    """Embed class names as ViLD (Gu et al., ICLR 2022) does.

    Every prompt of every phrase of a class, and of every synonym in it
    (``'sofa|couch'``), is embedded and L2-normalised; the class embedding is
    their L2-normalised mean.

    Args:
        encoder: Text encoder or its config.
        names: Class names; a mapping gives phrases instead of the names.
        prompts: Name of a prompt set or templates.
        synonyms: Further phrases of some classes.
        background: Phrase of a background row, embedded the same way.
        progress: Called with (texts done, all texts).

    Raises:
        ValueError: Duplicate, empty or non-string names; names of which the
            text tower sees the same tokens; all are listed.
    """
    encoder, prompts = _built(encoder), get_prompts(prompts)
    phrases = class_phrases(names, synonyms)
    rows = [*phrases.items()]
    if background is not None:
        rows += class_phrases([background]).items()
    texts, owners, sizes = [], [], []
    for name, own in rows:
        words = [word for phrase in own for word in synonyms_of(phrase)]
        texts += [text for word in words for text in expand(word, prompts)]
        sizes.append(len(words) * len(prompts.templates))
        owners += [name] * sizes[-1]
    tokens = encoder.tokenize(texts)
    encoder.refuse_alike(tokens_alike(owners, tokens), tokens)
    if tokens.overlong:
        cut = dict.fromkeys(owners[i] for i in tokens.overlong)
        encoder.warn_overlong(list(cut), 'class names in their prompts')
    encoder.warn_unknown(tokens.unknown)
    units = encoder.encode_tokens(tokens, progress).cpu()
    means = [unit.double().mean(dim=0) for unit in units.split(sizes)]
    matrix = F.normalize(torch.stack(means), dim=-1).float()
    return ClassEmbeddings(
        names=tuple(phrases),
        matrix=matrix[: len(phrases)].contiguous(),
        fingerprint=text_fingerprint(
            encoder.fingerprint, phrases, prompts, background
        ),
        background=None if background is None else matrix[-1].clone(),
    )


def cached_class_embeddings(
    encoder: Encoder,
    names: Names,
    prompts: Prompts = 'vild',
    synonyms: Synonyms = None,
    background: str | None = None,
    *,
    cache_dir: str | Path,
    progress: Callable[[int, int], None] | None = None,
) -> ClassEmbeddings:
    """:func:`build_class_embeddings`, kept in a folder between runs.

    The file name carries the fingerprint, which is verified on load. A
    damaged or foreign file is built anew, with a warning.

    Args:
        cache_dir: Folder of the files; made if need be. One that cannot be
            written is warned of.
    """
    encoder = _built(encoder)
    wanted = expected_fingerprint(
        encoder, names, prompts, synonyms, background
    )
    path = Path(cache_dir) / _file_name(wanted)
    if os.path.isfile(path):
        try:
            return ClassEmbeddings.load(
                path, wanted, list(class_phrases(names))
            )
        except (OSError, ValueError) as error:
            _warn(f'{error} Building these class embeddings anew.')
    found = build_class_embeddings(
        encoder, names, prompts, synonyms, background, progress
    )
    try:
        found.save(path)
    except OSError as error:  # the figures are right without it
        _warn(
            f'class embeddings could not be kept in {cache_dir} '
            f'({error.strerror}); the next run computes them again. '
            'cache_dir names another folder.'
        )
    return found


def _warn(text: str) -> None:
    print_log(text, logger='current', level=logging.WARNING)


def _file_name(fingerprint: dict) -> str:
    decisive = {k: v for k, v in fingerprint.items() if 'label' not in k}
    # The model's name is for readers; the same weights may go by two names.
    label = re.sub(r'[^\w.-]+', '-', str(decisive.pop('model')))
    content = json.dumps(decisive, sort_keys=True).encode()
    digest = hashlib.sha256(content).hexdigest()
    return f'{label}_{fingerprint["num_names"]}_{digest[:16]}.npz'
