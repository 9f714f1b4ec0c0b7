"""Whole models of ours, told from the keys of their checkpoints."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from torch import Tensor

from ..deprecation import say_renamed

__all__ = [
    'Consumer',
    'apart',
    'consumer_of',
    'refuse_consumer',
    'take_todays_keys',
    'under_prefix',
]

Weights = dict[str, Tensor]

_TRUNK = 'visual.trunk.'
_TEXT = 'text_encoder.tower.'
#: What nothing but CAT-Seg has beside a backbone.
_CAT_SEG = (_TEXT, 'decode_head.cost_embed.')
#: What nothing but OV-DQUO has beside one.
_OV_DQUO = 'dn_query_generator.'
#: The score of a proposer's boxes; F-ViT has texts there.
_PROPOSER = 'roi_head.bbox_head.fc_cls.weight'
#: Where CAT-Seg had its backbone before 0.1.
_OLD_PLACE = 'image_encoder.'


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
    'backbone.',
    True,
    'Its image tower was trained together with its text tower and head; '
    'give the whole file to tools/test.py or demo_seg.py with its config, or '
    f'take the tower out on purpose with {_EXPORT}',
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
OV_DQUO = Consumer(
    'an OV-DQUO detector',
    'configs/ov_dquo/*.py',
    'backbone.',
    True,
    F_VIT.remedy,
)
PROPOSER = Consumer(
    'a proposer of pseudo labels',
    'configs/ov_dquo/proposer_*.py',
    'backbone.',
    True,
    'It names nothing: give it to tools/dataset_converters/proposals.py with '
    f'its config; for its backbone alone export that with {_EXPORT}',
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
    if not any(k.startswith(BACKBONE.prefix + _TRUNK) for k in keys):
        return None
    if any(k.startswith(_CAT_SEG) for k in keys):
        return CAT_SEG
    if any(k.startswith(_OV_DQUO) for k in keys):
        return OV_DQUO
    if _PROPOSER in keys:
        return PROPOSER
    heads = any(k.startswith(('roi_head.', 'rpn_head.')) for k in keys)
    return F_VIT if heads else BACKBONE


def take_todays_keys(weights: dict[str, Any], prefix: str = '') -> None:
    """Give the keys of an older checkpoint their present names, in place.

    Args:
        weights: State dict.
        prefix: Of the model in it.
    """
    old, new = prefix + _OLD_PLACE, prefix + BACKBONE.prefix
    if not any(k.startswith(old + _TRUNK) for k in weights):
        return
    say_renamed('checkpoint', f'{_OLD_PLACE}*', f'{BACKBONE.prefix}*')
    items = list(weights.items())
    weights.clear()
    for key, value in items:
        inside = key.startswith(old)
        weights[new + key[len(old) :] if inside else key] = value


def under_prefix(weights: Weights, prefix: str, path: str) -> Weights:
    """What a file has under a prefix, which is stripped.

    Args:
        weights: Of the file.
        prefix: With or without the dot at its end; ``''`` takes everything.
        path: Name of the file, for the message.

    Raises:
        ValueError: Nothing; says what the keys start with.
    """
    prefix = f'{prefix.rstrip(".")}.' if prefix else ''
    keys = [k for k in weights if k.startswith(prefix)]
    if not keys and prefix == _OLD_PLACE:  # renamed while it was read
        say_renamed('prefix', _OLD_PLACE, BACKBONE.prefix)
        return under_prefix(weights, BACKBONE.prefix, path)
    if not keys:
        tops = sorted({k.split('.')[0] for k in weights})
        raise ValueError(
            f'{path} has no key under prefix {prefix!r}; its keys start with '
            f'{", ".join(tops[:8])}. Set prefix to one of them.'
        )
    return {k[len(prefix) :]: weights[k] for k in keys}


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
