"""Whole models of ours, told from the keys of their checkpoints."""

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor

__all__ = ['Consumer', 'apart', 'consumer_of', 'refuse_consumer']

Weights = dict[str, Tensor]

_TRUNK = 'visual.trunk.'
_TEXT = 'text_encoder.tower.'


class Consumer(NamedTuple):
    """A model that holds a backbone.

    Attributes:
        name: With its article, for messages.
        configs: Which of ours consume the checkpoint.
        prefix: Where the backbone is in it.
        whole: Whether it holds more than the backbone.
        remedy: How to get the backbone out of it, or why not to.
    """

    name: str
    configs: str
    prefix: str
    whole: bool
    remedy: str


_EXPORT = 'tools/model_converters/export_backbone.py'

CAT_SEG = Consumer(
    'a CAT-Seg segmentor',
    'configs/cat_seg/*.py',
    'image_encoder.',
    True,
    'Its image tower was trained together with its text tower and head; '
    'give the whole file to tools/test.py or demo_seg.py with its config',
)
F_VIT = Consumer(
    'an F-ViT detector',
    'configs/f_vit/*.py',
    'backbone.',
    True,
    'Give the whole file to tools/test.py or demo_det.py with its config; '
    "for its backbone alone set prefix='backbone.', or export that with "
    f'{_EXPORT}',
)
BACKBONE = Consumer(
    'a pre-finetuned backbone',
    'configs/region_cls/*.py, configs/dense_seg/*.py',
    'backbone.',
    False,
    'This file goes in as pretrained or init_cfg of a backbone',
)


def consumer_of(keys: Iterable[str]) -> Consumer | None:
    """Whose checkpoint has these keys; None if it is none of ours."""
    keys = list(keys)
    if any(k.startswith(CAT_SEG.prefix + _TRUNK) for k in keys):
        return CAT_SEG
    if not any(k.startswith(BACKBONE.prefix + _TRUNK) for k in keys):
        return None
    heads = any(k.startswith(('roi_head.', 'rpn_head.')) for k in keys)
    return F_VIT if heads else BACKBONE


def apart(
    weights: Weights, consumer: Consumer | None
) -> tuple[Weights, Weights]:
    """The CLIP of a whole model under the names of our backbones, the rest.

    Args:
        weights: Of a checkpoint.
        consumer: As :func:`consumer_of` has it.
    """
    if consumer is None or not consumer.whole:
        return weights, {}
    clip, heads = {}, {}
    for key, value in weights.items():
        if key.startswith(consumer.prefix + _TRUNK):
            clip[BACKBONE.prefix + key[len(consumer.prefix) :]] = value
        elif key.startswith(_TEXT):
            clip[f'text.{key[len(_TEXT) :]}'] = value
        else:
            heads[key] = value
    return clip, heads


def refuse_consumer(
    keys: Iterable[str], path: str, wanted: Consumer | None, model: str
) -> None:
    """Refuse the checkpoint of another model.

    Args:
        keys: Of the file.
        path: Its name, for the message.
        wanted: Whose checkpoint ``model`` takes; of :data:`BACKBONE`'s, plain
            CLIP files pass too.
        model: What is to be filled, for the message.

    Raises:
        ValueError: Names both, and what to do.
    """
    found = consumer_of(keys)
    if found == wanted or (found is None and not (wanted and wanted.whole)):
        return
    told = (
        f'the checkpoint of {found.name} ({found.configs})'
        if found
        else 'no checkpoint of a whole model of ours'
    )
    wants = f'{wanted.name} ({wanted.configs})' if wanted else 'none of ours'
    remedy = (
        found.remedy
        if found
        else (
            'See what it is with tools/model_converters/inspect_checkpoint.py'
        )
    )
    if wanted and wanted.whole and not (found and found.whole):
        remedy = (
            'What it lacks would stay random: give the checkpoint of a '
            f'training with {wanted.configs}. {remedy}'
        )
    raise ValueError(
        f'{path} is {told}; {model} takes that of {wants}. {remedy}.'
    )
