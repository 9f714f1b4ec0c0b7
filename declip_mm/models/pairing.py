"""Image towers and text towers that belong together."""

import os

import torch.nn as nn

__all__ = ['check_text_tower']


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
    ours, theirs = backbone.model, text_encoder.get('model', 'EVA02-B-16')
    if ours == 'custom' or not isinstance(theirs, str):
        return
    names = os.path.basename(ours), os.path.basename(theirs)
    tags = backbone.pretrained, text_encoder.get('pretrained')
    comparable = bool(backbone.tag) and bool(tags[1])
    comparable = comparable and not os.path.isfile(tags[1])
    if names[0] != names[1] or (comparable and tags[0] != tags[1]):
        raise ValueError(
            f'the backbone is {names[0]} ({tags[0]}), the text tower is '
            f'{names[1]} ({tags[1]}). Their embeddings do not compare, even '
            'where the dimensions agree: give text_encoder the '
            "backbone's model and weights."
        )
