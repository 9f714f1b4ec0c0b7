"""What of the two CLIP towers trains in CAT-Seg."""

from collections.abc import Iterator, Mapping

import torch.nn as nn
from mmengine.logging import print_log

from ...models import DeCLIPViT
from ...models.freezing import unused_parameters
from ...models.towers.openclip import OpenCLIPTower
from .split import split_attention
from .text import TrainableTextEncoder

__all__ = ['FINETUNE', 'apply_finetune']

#: ``'attention'``: q and v projections of every block (all of q, k and v
#: where they are one matrix); ``'full'``: everything; ``'none'``: nothing.
FINETUNE = ('attention', 'full', 'none')


def _attention_weights(
    attention: nn.Module, where: str
) -> Iterator[nn.Parameter]:
    """What ``'attention'`` trains in one block; weights, never biases."""
    if isinstance(attention, nn.MultiheadAttention):
        yield attention.in_proj_weight
        return
    for name in ('q_proj', 'v_proj'):
        layer = getattr(attention, name, None)
        if not isinstance(layer, nn.Linear):
            raise ValueError(
                f"finetune='attention' found no {name} in the "
                f'{type(attention).__name__} of the {where} tower, so that '
                "nothing of it would train. Use 'full' or 'none'."
            )
        yield layer.weight


def _select(
    encoder: DeCLIPViT | TrainableTextEncoder, mode: str, where: str
) -> Iterator[nn.Parameter]:
    if mode == 'none':
        return
    if mode == 'full':
        yield from encoder.parameters()
        return
    visual = isinstance(encoder, DeCLIPViT)
    blocks = encoder.visual.blocks if visual else encoder.blocks
    for block in blocks:
        yield from _attention_weights(block.attn, where)


def _freeze(
    encoder: DeCLIPViT | TrainableTextEncoder, mode: str, where: str
) -> int:
    """Apply one policy; returns how many numbers train."""
    if mode not in FINETUNE:
        raise ValueError(
            f'finetune={mode!r} of the {where} tower is unknown; allowed: '
            f'{", ".join(map(repr, FINETUNE))}.'
        )
    encoder.requires_grad_(False)
    chosen = {id(p): p for p in _select(encoder, mode, where)}
    if isinstance(encoder, DeCLIPViT):
        for parameter in unused_parameters(encoder):
            chosen.pop(id(parameter), None)
    for parameter in chosen.values():
        parameter.requires_grad = True
    count = sum(p.numel() for p in chosen.values())
    if mode != 'none' and not count:
        raise ValueError(
            f'finetune={mode!r} leaves nothing to train in the {where} '
            "tower. Use 'full', or say 'none' if that is meant."
        )
    return count


def apply_finetune(
    image: DeCLIPViT,
    text: TrainableTextEncoder,
    head: nn.Module,
    finetune: str | Mapping[str, str],
) -> dict[str, int]:
    """Freeze what does not train, split what trains in part, log counts.

    Parameters are found as attributes of the attention modules, not by
    their names: a rule on names that fits OpenAI's towers freezes both EVA
    towers without a word.

    Args:
        image: Image tower. OpenAI-type blocks are split into q, k and v.
        text: Text tower.
        head: Trains as a whole.
        finetune: One of :data:`FINETUNE`, or ``dict(image=..., text=...)``.

    Returns:
        How many numbers train, under ``'image'``, ``'text'``, ``'head'``.

    Raises:
        ValueError: Unknown policy, or one that would train nothing.
    """
    if isinstance(finetune, str):
        finetune = dict(image=finetune, text=finetune)
    if set(finetune) != {'image', 'text'}:
        raise ValueError(
            "finetune must be a policy or have the keys 'image' and 'text', "
            f'got {dict(finetune)!r}.'
        )
    if finetune['image'] == 'attention' and isinstance(
        image.visual, OpenCLIPTower
    ):
        split_attention(image.visual.blocks)
    counts = dict(
        image=_freeze(image, finetune['image'], 'image'),
        text=_freeze(text, finetune['text'], 'text'),
        head=sum(p.numel() for p in head.parameters() if p.requires_grad),
    )
    shown = ' / '.join(f'{k} {v / 1e6:.2f} M' for k, v in counts.items())
    print_log(f'trainable: {shown}', logger='current')
    return counts
