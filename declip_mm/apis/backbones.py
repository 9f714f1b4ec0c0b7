"""Backbones by name, for tools that look at several."""

from collections.abc import Sequence
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import open_clip
import torch
from mmengine.registry import MODELS

from ..models import DeCLIPViT, VFMTeacher
from ..models.towers import build_tower, read_model_config
from .launch import check_checkpoint, load_config
from .options import OptionError
from .vfms import VFMS

#: What may stand for a checkpoint file.
WEIGHT_WORDS = ('none', 'original')


def read_lines(
    config: str, checkpoints: Sequence[str], config_of: Sequence[str] = ()
) -> dict[str, tuple[str, str]]:
    """What a tool compares, from its command line.

    Args:
        config: Config file, or open_clip name of a model.
        checkpoints: ``[LABEL=]WEIGHTS`` each; see :func:`load_backbone`.
        config_of: ``LABEL=CONFIG`` each: another config for one of them.

    Returns:
        Label -> (config, weights), in the order given.

    Raises:
        OptionError: A label twice, an unknown label, a missing file.
    """
    lines: dict[str, tuple[str, str]] = {}
    for entry in checkpoints:
        label, found, weights = entry.partition('=')
        if not found:
            weights = entry
            label = entry if entry in WEIGHT_WORDS else Path(entry).stem
        if label in lines:
            raise OptionError(
                f'two lines are called {label!r}; name them: LABEL={weights}'
            )
        lines[label] = config, weights
    for entry in config_of:
        label, _, other = entry.partition('=')
        if label not in lines:
            raise OptionError(
                f'--config-of {entry}: no line is called {label!r}, only '
                f'{", ".join(lines)}'
            )
        lines[label] = other, lines[label][1]
    for source, weights in lines.values():
        # Beside the name of a model, a word may be an open_clip tag.
        if weights not in WEIGHT_WORDS and source.endswith('.py'):
            check_checkpoint(weights)
    return lines


def list_models(pattern: str = '*') -> list[str]:
    """open_clip's names of the models whose image tower can be decoupled.

    Each is built without memory, so that the list holds what works and
    nothing else; all of them take some seconds.

    Args:
        pattern: Of names, such as ``'EVA02*'``; case does not matter.

    Example:
        >>> list_models('ViT-B-16-SigLIP2*')
    """
    return [
        name
        for name in open_clip.list_models()
        if fnmatch(name.lower(), pattern.lower()) and _can_be_decoupled(name)
    ]


@cache
def _can_be_decoupled(name: str) -> bool:
    try:
        with torch.device('meta'):
            build_tower(read_model_config(name))
    except ValueError:  # says why; see build_tower
        return False
    return True


def load_backbone(source: str, weights: str, **options: Any) -> DeCLIPViT:
    """A backbone with its weights, in eval mode.

    Args:
        source: Config file whose ``model.backbone`` is taken, or the
            open_clip name of a model.
        weights: Weight file of any known layout, or training checkpoint, or
            (with the name of a model) open_clip tag; ``'none'``: the weights
            that the config names; ``'original'``: the same, with the last
            block of plain CLIP.
        options: Further arguments of :class:`DeCLIPViT`.
    """
    if source.endswith('.py'):
        cfg = load_config(source)
        found = (cfg.get('model') or {}).get('backbone')
        if found is None:
            raise OptionError(
                f'{source} has no model.backbone; take a config that has '
                'one, or the open_clip name of a model'
            )
        backbone = dict(found)
    else:
        backbone = dict(type='DeCLIPViT', model=source)
    backbone.update(options)
    if weights == 'original':
        backbone['affinity'] = 'vanilla'
    elif weights != 'none':
        backbone.pop('init_cfg', None)
        backbone['pretrained'] = weights
    model = MODELS.build(backbone)
    model.init_weights()
    return model.eval()


def load_vfm(
    name: str,
    weights: str | None = None,
    layer: int | None = None,
    norm: str = 'model',
) -> VFMTeacher:
    """A VFM with its weights, frozen.

    Args:
        name: timm name, or a name in :data:`VFMS`, which says the rest:
            ``import declip_mm.miniature`` adds ``'miniature'``.
        weights: File; None takes timm's own, which may be downloaded.
        layer, norm: See :class:`VFMTeacher`.
    """
    if name in VFMS:
        teacher = VFMS[name]()
    else:
        teacher = VFMTeacher(name, weights or True, layer, norm)
    teacher.init_weights()
    return teacher
