"""Towers that belong together."""

import os
from typing import TYPE_CHECKING, Any

import torch.nn as nn

from ..assets import resolve_asset
from ..checkpoint import FingerprintError
from .towers import ModelConfig, read_model_config, settle_activation

if TYPE_CHECKING:
    from .declip_vit import DeCLIPViT
    from .text.encoder import DeCLIPTextEncoder

__all__ = [
    'check_class_embeddings',
    'check_crop_teacher',
    'check_kept_features',
    'check_text_tower',
    'check_text_weights',
]

#: Of weight files.
_SUFFIXES = ('.pt', '.pth', '.bin', '.safetensors')
#: Activations between which an OpenAI-type tower has a choice.
_CHOICE = ('gelu', 'quick_gelu')


def check_text_tower(
    backbone: 'DeCLIPViT', text_encoder: dict[str, Any]
) -> None:
    """Refuse the text tower of another CLIP.

    Many towers share their dimension, so that a wrong pair computes without
    complaint and names nothing right.

    Args:
        backbone: A :class:`~declip_mm.models.DeCLIPViT`.
        text_encoder: Config of a text encoder. Weights are compared where
            both are tags.

    Raises:
        ValueError: Names both models, both tags, or both activations.
    """
    theirs = text_encoder.get('model', 'EVA02-B-16')
    weights = resolve_asset(str(text_encoder.get('pretrained') or ''))
    is_tag = bool(weights) and not os.path.isfile(weights)
    _compare(
        backbone, theirs, weights or None, is_tag, 'text tower', 'text_encoder'
    )
    if is_tag and weights.endswith(_SUFFIXES):
        return  # a file that is not there: the encoder says so
    activation = settle_activation(
        theirs, weights or None, text_encoder.get('quick_gelu')
    )
    _compare_activations(
        backbone,
        activation.name,
        f'the text tower ({activation.by or "nothing tells"})',
    )


def check_text_weights(
    backbone: 'DeCLIPViT', encoder: 'DeCLIPTextEncoder'
) -> None:
    """Refuse a text tower that the backbone's file was not measured with.

    Args:
        backbone: Filled from a file; one whose fingerprint names no text
            tower passes.
        encoder: A :class:`~declip_mm.models.text.DeCLIPTextEncoder`.

    Raises:
        FingerprintError: Names both.
    """
    theirs = _recorded_text_tower(backbone)
    if theirs:
        _refuse_other_weights(
            theirs, encoder.fingerprint, 'the text tower', 'text_encoder'
        )


def check_class_embeddings(
    backbone: 'DeCLIPViT', fingerprint: dict[str, Any], dim: int
) -> None:
    """Refuse class embeddings that were made with another CLIP.

    Args:
        backbone: A :class:`~declip_mm.models.DeCLIPViT`.
        fingerprint: Of the file of class embeddings; its model is compared
            where both have a name, its weights where the backbone's file
            names its text tower.
        dim: Dimensions of the embeddings.

    Raises:
        FingerprintError: Names both.
    """
    ours = backbone.fingerprint['model']
    theirs = fingerprint.get('model', 'custom')
    width = backbone.visual.out_dim
    named = 'custom' not in (theirs, ours)
    if width != dim or (named and _plain(theirs) != _plain(ours)):
        raise FingerprintError(
            f'class embeddings are of {theirs} with {dim} dimensions, the '
            f'backbone is {ours} with {width}. Their cosines would mean '
            'nothing: dump the embeddings with the text tower of '
            f'{ours}.'
        )
    recorded = _recorded_text_tower(backbone)
    if recorded:
        _refuse_other_weights(
            recorded, fingerprint, 'the class embeddings', 'embeddings'
        )


def check_kept_features(
    fingerprint: dict[str, Any],
    recorded: dict[str, Any],
    text_tower: dict[str, Any],
) -> None:
    """Refuse names that are embedded by another CLIP than kept features.

    Args:
        fingerprint: Of the backbone that made the features.
        recorded: Fingerprint of the text tower that they were made beside.
        text_tower: Fingerprint of the one that embeds the names.

    Raises:
        FingerprintError: Names both.
    """
    for field in ('architecture', 'weights'):
        if recorded[field] != text_tower[field]:
            raise FingerprintError(
                f'the kept features are of {fingerprint.get("model")} and '
                f'belong to the text tower {recorded.get("model")} ({field} '
                f'{recorded[field][:12]}); the names are embedded by '
                f'{text_tower.get("model")} ({field} '
                f'{text_tower[field][:12]}). Their cosines would mean '
                'nothing: take the text tower of the weights that encoded '
                'the picture, or encode it anew.'
            )


def _recorded_text_tower(backbone: 'DeCLIPViT') -> dict[str, Any]:
    return backbone.file_says.get('text_tower') or {}


def _refuse_other_weights(
    theirs: dict[str, Any], ours: dict[str, Any], what: str, option: str
) -> None:
    for field in ('architecture', 'weights'):
        if {field} <= set(theirs) & set(ours) and theirs[field] != ours[field]:
            raise FingerprintError(
                f"the backbone's file was measured with the text tower "
                f'{theirs.get("model")} ({field} {theirs[field][:12]}), '
                f'{what} is of {ours.get("model")} ({field} '
                f'{ours[field][:12]}). It would name nothing right: give '
                f'{option} what belongs to the weights that the backbone '
                'was trained from.'
            )


def check_crop_teacher(backbone: 'DeCLIPViT', teacher: nn.Module) -> None:
    """Refuse a content teacher that embeds crops as another CLIP does.

    Args:
        backbone: The student.
        teacher: A ``CLIPCropTeacher`` or its cache; others pass.

    Raises:
        ValueError: As :func:`check_text_tower`.
    """
    inner = getattr(teacher, 'teacher', None) or teacher
    other = getattr(inner, 'backbone', None)
    if other is not None:
        _compare(
            backbone,
            other.architecture['architecture']
            if other.model == 'custom'
            else other.model,
            other.pretrained,
            bool(other.tag),
            'content teacher',
            'content_teacher.backbone',
        )
        _compare_activations(
            backbone,
            other.visual.activation,
            f'the content teacher ({other.activation_by or "nothing tells"})',
        )


def _compare(
    backbone: 'DeCLIPViT',
    model: ModelConfig,
    weights: str | None,
    is_tag: bool,
    what: str,
    option: str,
) -> None:
    """Both models, and both weights where both are tags."""
    ours, theirs = backbone.model, _label(model)
    own = backbone.architecture.get('architecture') or ours
    if 'custom' not in (ours, theirs):
        same = _plain(ours) == _plain(theirs)
    else:  # a dict has no name: by what decides its towers
        same = _shape(own) == _shape(model)
    differ = backbone.tag and is_tag and backbone.pretrained != weights
    if not same or differ:
        raise ValueError(
            f'the backbone is {_told(ours, own)} '
            f'({backbone.pretrained}), the {what} is {_told(theirs, model)} '
            f'({weights}). Their embeddings do not compare, even where the '
            f"dimensions agree: give {option} the backbone's model and "
            'weights.'
        )


def _compare_activations(
    backbone: 'DeCLIPViT', theirs: str, whose: str
) -> None:
    ours = backbone.visual.activation
    if ours in _CHOICE and theirs in _CHOICE and ours != theirs:
        raise ValueError(
            f'the backbone has activation {ours} '
            f'({backbone.activation_by or "nothing tells"}), {whose} has '
            f'{theirs}. One CLIP has one: set quick_gelu of both to what '
            'its weights want (OpenAI, DFN and MetaCLIP: True).'
        )


def _label(model: ModelConfig) -> str:
    return os.path.basename(model) if isinstance(model, str) else 'custom'


def _plain(name: str) -> str:
    """Activations are compared apart."""
    name = os.path.basename(name)
    return name[: -len('-quickgelu')] if name.endswith('-quickgelu') else name


def _told(name: str, model: ModelConfig) -> str:
    if name != 'custom':
        return os.path.basename(name)
    shape = {k: v for k, v in _shape(model).items() if v is not None}
    return f'custom, {", ".join(f"{k} {v}" for k, v in shape.items())},'


def _shape(model: ModelConfig) -> dict[str, Any]:
    """What two configurations of one CLIP have in common."""
    config = read_model_config(model)
    vision = config['vision_cfg']
    inner = vision.get('timm_kwargs') or {}
    sizes = ('width', 'layers', 'patch_size', 'timm_model_name')
    return dict(
        dim=config['embed_dim'],
        **{name: vision.get(name) for name in sizes},
        **{f'timm_{k}': inner.get(k) for k in ('embed_dim', 'depth')},
    )
