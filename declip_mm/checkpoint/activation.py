"""Which activation a CLIP file wants: QuickGELU or GELU.

The weights themselves leave no trace of it, and with the wrong one every
layer is off by a little: no error, a few points less. What tells: the file's
fingerprint, open_clip's configuration beside it, its layout, its name.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import open_clip
import torch.nn as nn
from open_clip.transformer import QuickGELU

from .fingerprint import FINGERPRINT_KEY, FingerprintError
from .reader import peek

__all__ = ['Told', 'check_activation', 'told_activation', 'uses_quick_gelu']

#: Beside the weights in every repository of open_clip.
_CONFIG = 'open_clip_config.json'


class Told(NamedTuple):
    """What is known of a file's activation.

    Attributes:
        quick_gelu: Whether it is QuickGELU.
        by: What says so, for messages.
    """

    quick_gelu: bool
    by: str

    @property
    def activation(self) -> str:
        return 'quick_gelu' if self.quick_gelu else 'gelu'

    @property
    def unless(self) -> str:
        """What else may be done about it, for messages."""
        named = self.by.startswith('its name')
        return ', or rename the file if its name is wrong' if named else ''


def told_activation(path: str, model: str | None = None) -> Told | None:
    """What a file says of its activation; None where nothing tells.

    Args:
        path: Weight file; one that is missing or damaged tells nothing.
        model: open_clip's name of the model, which helps to read file names.
    """
    names, meta, script = peek(path)
    said = (meta.get(FINGERPRINT_KEY) or {}).get('activation')
    if said in ('gelu', 'quick_gelu'):
        return Told(said == 'quick_gelu', 'its fingerprint says so')
    if script or {'input_resolution', 'vocab_size'} <= names:
        return Told(True, "it has the layout of OpenAI's own files")
    return _beside(Path(path)) or _by_name(Path(path), model)


def check_activation(
    module: nn.Module, path: str, model: str | None = None
) -> None:
    """Refuse a file whose activation is not that of an OpenAI-type tower.

    Args:
        module: Image or text tower of open_clip; others pass.
        path, model: See :func:`told_activation`.

    Raises:
        FingerprintError: Names both sides.
    """
    ours, told = uses_quick_gelu(module), told_activation(path, model)
    if ours is None or told is None or told.quick_gelu == ours:
        return
    raise FingerprintError(
        f'activation: {path} wants {told.activation} ({told.by}), the model '
        f'has {"quick_gelu" if ours else "gelu"}. Every layer would be off '
        'without any error: leave quick_gelu out, or set it to '
        f'{told.quick_gelu}{told.unless}.'
    )


def uses_quick_gelu(module: nn.Module) -> bool | None:
    """Activation of open_clip's transformer; None where there is none."""
    kinds = [type(m) for n, m in module.named_modules() if _ACT.search(n)]
    return QuickGELU in kinds if kinds else None


_ACT = re.compile(r'resblocks\.\d+\.mlp\.gelu$')


def _beside(path: Path) -> Told | None:
    """open_clip's own configuration in the folder of the file."""
    if not path.name.startswith(('open_clip', 'model')):
        return None  # of another file that happens to lie there
    try:
        content = json.loads(path.with_name(_CONFIG).read_text('utf-8'))
        quick = content['model_cfg'].get('quick_gelu', False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Told(bool(quick), f'{_CONFIG} beside it says so')


def _by_name(path: Path, model: str | None) -> Told | None:
    """open_clip's list of published weights, by file, folder and tag."""
    stem = _clean(path.name)
    parts = {part.split('--')[-1].lower() for part in path.parts[:-1]}
    found: dict[int, dict[bool, str]] = {}
    for mark, whole, quick in _marks(model):
        if mark in parts or (_has(stem, mark) if not whole else stem == mark):
            found.setdefault(len(mark), {})[quick] = mark
    if not found:
        return None
    longest = found[max(found)]
    if len(longest) > 1:
        return None  # one tag, two activations
    ((quick, mark),) = longest.items()
    return Told(quick, f'its name has {mark!r}, which open_clip lists so')


def _marks(model: str | None) -> Iterator[tuple[str, bool, bool]]:
    """(mark, whether it must be the whole name, QuickGELU) of all weights."""
    for name, tag in open_clip.list_pretrained():
        entry = open_clip.get_pretrained_cfg(name, tag)
        quick = bool(entry.get('quick_gelu'))
        file = _clean(Path(entry.get('url') or '').name)
        # `ViT-B-16.pt` is what anybody calls a file of that model.
        if file and file != _clean(name.replace('-quickgelu', '')):
            yield file, True, quick
        folder = (entry.get('hf_hub') or '').strip('/').split('/')[-1]
        if folder:
            yield folder.lower(), False, quick
        if model in (name, f'{name}-quickgelu'):
            yield _clean(tag), False, quick


def _clean(name: str) -> str:
    """Without suffix, as open_clip writes tags."""
    stem = re.sub(r'\.(pth?|bin|safetensors)$', '', name)
    return stem.lower().replace('-', '_')


def _has(stem: str, mark: str) -> bool:
    """Whether a mark is in a name, between its ends or separators."""
    mark = re.escape(mark.replace('-', '_'))
    return bool(re.search(rf'(?:^|[_.]){mark}(?:$|[_.])', stem))
