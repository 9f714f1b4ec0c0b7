"""Towers that belong together."""

import os
from typing import Any, Optional

import torch.nn as nn

__all__ = ['check_crop_teacher', 'check_text_tower']


def check_text_tower(backbone: nn.Module, text_encoder: dict) -> None:
    """Refuse the text tower of another CLIP.

    Many towers share their dimension, so that a wrong pair computes without
    complaint and names nothing right.

    Args:
        backbone: A :class:`~declip_mm.models.DeCLIPViT`.
        text_encoder: Config of a text encoder. What is given as a dict of
            architecture, or is a file on one side, cannot be compared.

    Raises:
        ValueError: Names both models and, where both are tags, both tags.
    """
    theirs = text_encoder.get('model', 'EVA02-B-16')
    weights = text_encoder.get('pretrained')
    is_tag = bool(weights) and not os.path.isfile(weights)
    _compare(backbone, theirs, weights, is_tag, 'text tower', 'text_encoder')


def check_crop_teacher(backbone: nn.Module, teacher: nn.Module) -> None:
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
            other.model,
            other.pretrained,
            bool(other.tag),
            'content teacher',
            'content_teacher.backbone',
        )


def _compare(
    backbone: nn.Module,
    model: Any,
    weights: Optional[str],
    is_tag: bool,
    what: str,
    option: str,
) -> None:
    """Both models by name, and both weights where both are tags."""
    if not isinstance(model, str) or 'custom' in (backbone.model, model):
        return
    ours, theirs = os.path.basename(backbone.model), os.path.basename(model)
    differ = backbone.tag and is_tag and backbone.pretrained != weights
    if ours != theirs or differ:
        raise ValueError(
            f'the backbone is {ours} ({backbone.pretrained}), the {what} is '
            f'{theirs} ({weights}). Their embeddings do not compare, even '
            f"where the dimensions agree: give {option} the backbone's model "
            'and weights.'
        )
