"""Published files that a run will ask for."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from ..models.download import fetch_tag
from ..models.towers import tag_settings
from ..models.vfm import fetch_published

__all__ = ['fetch_weights']

#: Parts that a checkpoint of the whole model fills, or that testing leaves
#: alone.
_TRAINED = ('DeCLIPViT', 'TrainableTextEncoder', 'VFMTeacher')


def fetch_weights(model: Any, filled: bool = False) -> list[str]:
    """Bring the published files that a model will ask for.

    A text tower is built on first use, which may be after an epoch: a missing
    network has to be told before the first step.

    Args:
        model: Config of the model.
        filled: A checkpoint is to be measured, which fills what trains.

    Returns:
        Paths of the files.

    Raises:
        DownloadError: One is not here and cannot be fetched.
    """
    found = []
    for kind, part in _parts(model):
        weights = part.get('pretrained')
        if not weights or (filled and kind in _TRAINED):
            continue
        if kind == 'VFMTeacher':
            if weights is True:
                found.append(fetch_published(part['model']))
            continue
        name = part.get('model', 'EVA02-B-16')
        # A file says itself, later, what is wrong with it.
        if '/' in weights or '.' in weights or os.path.exists(weights):
            continue
        settings = tag_settings(name, weights)
        found.append(fetch_tag(settings, f'{kind}({name}, {weights})'))
    return found


def _parts(node: Any) -> Iterator[tuple[str, Mapping]]:
    """(type, config) of what has published weights, anywhere in a config."""
    if isinstance(node, Mapping):
        kind = str(node.get('type')).split('.')[-1]
        if kind in (*_TRAINED, 'DeCLIPTextEncoder'):
            yield kind, node
        # a text tower beside a file of embeddings is built only if need be
        spare = 'text_encoder' if node.get('embeddings') else None
        node = [value for key, value in node.items() if key != spare]
    if isinstance(node, (list, tuple)):
        for value in node:
            yield from _parts(value)
