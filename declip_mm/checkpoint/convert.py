"""From a file of any layout to one of another, with a fingerprint."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..deprecation import renamed_arguments
from .activation import Told, told_activation
from .consumers import consumer_of
from .facts import guess_model, name_hints, tower_facts
from .files import save_weights
from .fingerprint import (
    FINGERPRINT_KEY,
    FingerprintError,
    compare_fingerprints,
)
from .layouts import CLIPParts, read_parts, write_parts
from .reader import read_checkpoint

__all__ = ['convert']

Scale = float | str


@renamed_arguments(licence='license')
def convert(
    source: str,
    out: str,
    layout: str = 'declip_mm',
    *,
    affinity: str | None = None,
    scale: Scale | None = None,
    model: str | None = None,
    license: str | None = None,
    parts: Sequence[str] | None = None,
    head_dim: int = 64,
    quick_gelu: bool | None = None,
    trust_pickle: str | None = None,
) -> dict[str, Any]:
    """Rewrite a CLIP's weights in another layout, strictly.

    Released files do not say with which affinity and scale they were
    distilled; the two must be given then, and the fingerprint says that they
    were declared.

    Args:
        source: Weight file of any known layout.
        out: ``.pth``, ``.pt`` or ``.safetensors``.
        layout: Of ``out``.
        affinity, scale: Of the decoupled block; compared with the file's
            fingerprint, or with its name, where that has them.
        model: open_clip's name of the model, recorded and compared later.
        license: Of the weights, recorded.
        parts: Towers to write, ``'visual'`` and ``'text'``; None is all that
            the file has.
        head_dim: Of the decoupled attention, for ``'rsqrt'`` and the rotary
            tables of official EVA files; 64 in nearly all published CLIPs.
        quick_gelu: Activation of an OpenAI-type CLIP, recorded; None takes
            what the file tells, see :mod:`~declip_mm.checkpoint.activation`.
        trust_pickle: See :func:`~declip_mm.checkpoint.reader.read_content`.

    Returns:
        The fingerprint.

    Raises:
        FingerprintError: What is given contradicts the file or its name.
        ValueError: Keys of no known part, a part that the file lacks, or an
            affinity and scale that nobody knows.
    """
    weights, meta = read_checkpoint(source, trust_pickle)
    consumer = consumer_of(weights)
    if consumer is not None and consumer.whole:
        raise ValueError(
            f'{source} is the checkpoint of {consumer.name} '
            f'({consumer.configs}), no CLIP. {consumer.remedy}.'
        )
    found = _wanted(read_parts(weights), parts, source)
    declared = dict(affinity=affinity, scale=scale, model=model)
    declared = {k: v for k, v in declared.items() if v is not None}
    if scale == 'rsqrt':
        declared['scale'] = head_dim**-0.5
    told = _activation(found, source, model, quick_gelu)
    if told is not None and quick_gelu is not None:
        declared['activation'] = told.activation
    if layout == 'openai' and told is not None and not told.quick_gelu:
        raise ValueError(
            f"layout 'openai' means QuickGELU, and {source} wants GELU "
            f"({told.by}). Write 'open_clip' or 'declip_mm'."
        )
    fingerprint = _fingerprint(
        meta.get(FINGERPRINT_KEY, {}), declared, found, source
    )
    if told is not None:
        fingerprint.setdefault('activation', told.activation)
    if license:
        fingerprint['license'] = license
    written = write_parts(found, layout, head_dim)
    save_weights(written, out, fingerprint, bare=layout != 'declip_mm')
    return fingerprint


def _activation(
    parts: CLIPParts, source: str, model: str | None, given: bool | None
) -> Told | None:
    """What is given or told, where there is a choice."""
    if parts.trunk not in ('openai', ''):
        if given:
            raise ValueError(
                f'quick_gelu=True does not apply to {source}: a tower of kind '
                f'{parts.trunk!r} has one activation. Leave it out.'
            )
        return None
    told = told_activation(source, model or guess_model(parts))
    if given is None or (told and told.quick_gelu == given):
        return told
    if told is not None:
        raise FingerprintError(
            f'quick_gelu={given} is declared, but {source} wants '
            f'{told.activation}: {told.by}. Declare that, or leave it '
            f'out{told.unless}.'
        )
    return Told(given, 'declared')


def _wanted(
    parts: CLIPParts, names: Sequence[str] | None, source: str
) -> CLIPParts:
    known = ('visual', 'text')
    if names is None:
        names = [name for name in known if getattr(parts, name)] or known
    if not names or not set(names) <= set(known):
        raise ValueError(
            f'parts={list(names)}: allowed are {" and ".join(known)}.'
        )
    if parts.strange:
        some = ', '.join(parts.strange[:6])
        raise ValueError(
            f'{source} has {len(parts.strange)} keys that belong to no known '
            f'part of a CLIP ({parts.layout or "unknown layout"}), such as '
            f'{some}. Take out what is no CLIP, or export the backbone first '
            '(tools/model_converters/export_backbone.py).'
        )
    lacking = [name for name in names if not getattr(parts, name)]
    if lacking:
        has = [name for name in known if getattr(parts, name)]
        raise ValueError(
            f'{source} has no {" and no ".join(lacking)} tower, only '
            f'{" and ".join(has)}. Convert what there is: parts={tuple(has)}.'
        )
    if 'visual' not in names:
        parts = parts._replace(visual={})
    if 'text' not in names:
        parts = parts._replace(text={}, scalars={})
    return parts._replace(beside={})


def _fingerprint(
    theirs: dict[str, Any],
    declared: dict[str, Any],
    parts: CLIPParts,
    source: str,
) -> dict[str, Any]:
    if theirs:
        compare_fingerprints(theirs, declared, source)
        return dict(theirs)
    hints = name_hints(source)
    missing = [n for n in ('affinity', 'scale') if n not in declared]
    if parts.visual and missing:
        told = f' Its name says {hints["name_affinity"]!r}.' if hints else ''
        raise ValueError(
            f'{source} does not say with which affinity and scale it was '
            f'trained; missing: {" and ".join(missing)}.{told} Give '
            "affinity ('qq', 'csa' ...; 'vanilla' for a CLIP that was not "
            "distilled) and scale (a number or 'rsqrt'). A wrong one costs "
            'most of the accuracy and shows no error; '
            'tools/model_converters/probe_scale.py compares them.'
        )
    named = hints.get('name_affinity')
    if named and 'affinity' in declared and declared['affinity'] != named:
        raise FingerprintError(
            f'affinity={declared["affinity"]!r} is declared, but the name '
            f'{Path(source).name} says {named!r}. Declare that, or rename '
            'the file if its name is wrong.'
        )
    # A guess must not be compared: quick_gelu leaves no trace in weights.
    guess = guess_model(parts)
    return dict(
        **({'model_by_size': guess} if guess else {}),
        **tower_facts(parts),
        **declared,
        **hints,
        declared=sorted(declared),
        source=Path(source).name,
        source_layout=parts.layout,
    )
