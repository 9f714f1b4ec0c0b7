"""The one strict loader: all of a module from a state dict, nothing left over.

Load hooks run first, so that what a module takes apart or calls by another
name is compared as it will be filled; and nothing is filled unless all is.
"""

import logging
from collections.abc import Sequence
from typing import Any

import torch.nn as nn
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader
from torch import Tensor

from .activation import check_activation
from .consumers import (
    BACKBONE,
    CAT_SEG,
    consumer_of,
    refuse_consumer,
    under_prefix,
)
from .fingerprint import FINGERPRINT_KEY, compare_fingerprints
from .layouts import read_parts
from .reader import read_checkpoint, weights_and_meta

__all__ = [
    'check_fit',
    'fill',
    'fill_model',
    'load_image_tower',
    'load_text_tower',
    'take_whole_only',
    'takes_whole_only',
]

#: A detector of LVIS has masks, one that is transferred to VOC has none.
_SPARE_HEADS = ('roi_head.mask_head.',)
_NAME = 'Check the model name against the file.'
_WHOLE = (
    "A file with one tower goes into that encoder's pretrained, a released "
    'one through a tool of tools/model_converters first; the rest has to come '
    'from a training with this config.'
)


def fill(
    module: nn.Module,
    weights: dict[str, Tensor],
    origin: str,
    what: str,
    strange: Sequence[str] = (),
) -> None:
    """Fill a module, all of it; arguments and errors of :func:`check_fit`."""
    module.load_state_dict(check_fit(module, weights, origin, what, strange))


def check_fit(
    module: nn.Module,
    weights: dict[str, Tensor],
    origin: str,
    what: str,
    strange: Sequence[str] = (),
    remedy: str = _NAME,
) -> dict[str, Tensor]:
    """Refuse weights that do not fill a module exactly.

    Args:
        module: Its load hooks run; its weights stay as they are.
        weights: State dict for it; stays as it is, too.
        origin: File name, for the message.
        what: ``'image tower'``, say.
        strange: Further keys of the file, which belong nowhere.
        remedy: What to do, for the message.

    Returns:
        The weights as the load hooks leave them.

    Raises:
        ValueError: Missing, unexpected, misshapen or non-finite, by name.
    """
    found = dict(weights)
    _run_hooks(module, found)
    expected = module.state_dict()
    missing = [k for k in expected if k not in found]
    extra = [k for k in found if k not in expected]
    misshapen = [
        f'{k} {tuple(found[k].shape)} against {tuple(expected[k].shape)}'
        for k in expected
        if k in found and found[k].shape != expected[k].shape
    ]
    if missing or extra or strange or misshapen:
        raise ValueError(
            f'{origin} does not fit this {what}. Missing: '
            f'{_some(_by_part(missing, expected))}. Unexpected: '
            f'{_some(extra + list(strange))}. Shapes (file against model): '
            f'{_some(misshapen)}. {remedy}'
        )
    bad = [k for k, v in found.items() if not v.isfinite().all()]
    if bad:
        raise ValueError(
            f'{origin} has NaN or infinite weights: {_some(bad)}. The '
            'training that wrote it went wrong; take an earlier file.'
        )
    return found


def _run_hooks(
    module: nn.Module, state: dict[str, Tensor], prefix: str = ''
) -> None:
    """What torch does before it copies: each module may change its keys."""
    for hook in module._load_state_dict_pre_hooks.values():
        if not _refuses(hook):
            hook(state, prefix, {}, True, [], [], [])
    for name, child in module._modules.items():
        if child is not None:
            _run_hooks(child, state, f'{prefix}{name}.')


def take_whole_only(model: nn.Module) -> None:
    """Make every way of loading a whole model of ours strict from now on.

    mmengine's runner loads with ``strict=False`` and logs what is left over.
    A file of the image tower alone would then leave a random text tower or
    head, which nothing notices that trains on known classes.

    Args:
        model: A CAT-Seg segmentor or a detector; of others, whose
            backbone is all that has to be filled, nothing is asked.
    """
    if takes_whole_only(model):
        return
    whose = consumer_of(model.state_dict())
    if whose is not None and whose.whole:
        model.register_load_state_dict_pre_hook(_refuse_parts)


def takes_whole_only(model: nn.Module) -> bool:
    """Whether :func:`take_whole_only` has been asked for."""
    return any(map(_refuses, model._load_state_dict_pre_hooks.values()))


def _refuse_parts(model: nn.Module, state: dict, prefix: str, *_: Any) -> None:
    own = {
        k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)
    }
    _check_whole(model, own, 'the loaded checkpoint')


def _refuses(hook: Any) -> bool:
    return getattr(hook, 'hook', None) is _refuse_parts


def fill_model(model: nn.Module, path: str) -> dict[str, Any]:
    """Load all of a model of ours from one file.

    mmengine's own loading runs the code in a file that is no plain weights,
    and leaves what a file lacks random.

    Args:
        model: Module to fill; its ``backbone`` has a fingerprint.
        path: Checkpoint of the runner, or a state dict; also ``s3://...``.

    Returns:
        ``meta`` of the checkpoint; empty if it has none.

    Raises:
        FingerprintError: Made with another backbone.
        ValueError: Of another model, damaged, pickled code, or it does not
            fit.
    """
    if '://' in path:
        content = CheckpointLoader.load_checkpoint(path, 'cpu')
        weights, meta = weights_and_meta(content, path)
    else:
        weights, meta = read_checkpoint(path)
    theirs = meta.get(FINGERPRINT_KEY) or {}
    backbone: Any = model.backbone
    model.load_state_dict(_check_whole(model, weights, path, theirs))
    backbone.file_says = theirs
    return meta


def _check_whole(
    model: nn.Module,
    weights: dict,
    origin: str,
    fingerprint: dict | None = None,
) -> dict[str, Tensor]:
    """:func:`check_fit` of a whole model; another's file is called so."""
    expected, kind = model.state_dict(), type(model).__name__
    weights = _without_spare_heads(weights, expected, origin)
    # of what fits in part, the parts are named below
    if consumer_of(weights) or not expected.keys() & weights.keys():
        refuse_consumer(weights, origin, consumer_of(expected), kind)
    if fingerprint:
        backbone: Any = model.backbone
        compare_fingerprints(fingerprint, backbone.fingerprint, origin)
    return check_fit(model, weights, origin, kind, remedy=_WHOLE)


def _without_spare_heads(
    weights: dict[str, Tensor], expected: dict[str, Tensor], origin: str
) -> dict[str, Tensor]:
    """Without heads that a model of the same kind may do without."""
    for head in _SPARE_HEADS:
        theirs = [k for k in weights if k.startswith(head)]
        if theirs and not any(k.startswith(head) for k in expected):
            print_log(
                f'{origin}: {head[:-1]} is left out, for the model has none '
                '(a transfer to boxes alone).',
                logger='current',
                level=logging.WARNING,
            )
            weights = {k: v for k, v in weights.items() if k not in theirs}
    return weights


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
        ValueError: Missing, unexpected or misshapen keys, by name, the
            checkpoint of a CAT-Seg segmentor, or that of a whole detector
            without ``prefix``.
    """
    weights, meta = read_checkpoint(path)
    theirs = meta.get(FINGERPRINT_KEY, {})
    # CAT-Seg's tower is another one by now; F-ViT's is what it was
    if not prefix or consumer_of(weights) is CAT_SEG:
        refuse_consumer(weights, path, BACKBONE, 'a backbone')
    if prefix:
        weights = under_prefix(weights, prefix, path)
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
    fill(trunk, parts.visual, path, 'image tower', parts.strange)
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
    fill(tower, parts.text, path, 'text tower', parts.strange)


def _by_part(missing: list[str], expected: dict[str, Tensor]) -> list[str]:
    """Names of weights; of a part that is missing as a whole, its own."""
    absent, found = set(missing), []
    for part in dict.fromkeys(k.split('.')[0] for k in missing):
        keys = [k for k in expected if k.split('.')[0] == part]
        lost = [k for k in keys if k in absent]
        whole = lost == keys and len(keys) > 1
        found += [f'all {len(keys)} of {part}'] if whole else lost
    return found


def _some(names: list[str]) -> str:
    if not names:
        return 'none'
    rest = len(names) - 6
    return ', '.join(names[:6]) + (f' and {rest} more' if rest > 0 else '')
