"""OV-DQUO checkpoints of the authors' code under our names."""

import re
from typing import Any

import torch
from torch import Tensor

from ...checkpoint import read_parts

__all__ = ['averaged_weights', 'from_official', 'official_detector_keys']

_BACKBONE, _ADAPTER = 'backbone.0.', 'backbone.0.interpolate1.'

_FFN = (r'\.linear1\.', '.ffn.layers.0.0.'), (r'\.linear2\.', '.ffn.layers.1.')
#: Norms of a layer in the order in which they were written down there, not
#: in which they run.
_ENCODER = (
    (r'\.norm1\.', '.norms.0.'),
    (r'\.norm2\.', '.norms.1.'),
    *_FFN,
)
_DECODER = (
    (r'\.norm1\.', '.norms.1.'),
    (r'\.norm2\.', '.norms.0.'),
    (r'\.norm3\.', '.norms.2.'),
    (r'\.self_attn\.', '.self_attn.attn.'),
    *_FFN,
)
_HERE = {
    'transformer.level_embed': 'level_embed',
    'transformer.enc_output': 'memory_trans_fc',
    'transformer.enc_output_norm': 'memory_trans_norm',
    'transformer.tgt_embed': 'query_embedding',
    'transformer.text_proj.layers.0': 'text_proj.0',
    'transformer.text_proj.layers.1': 'text_proj.2',
    'label_enc': 'dn_query_generator.label_embedding',
}
_LAYER = re.compile(r'^transformer\.decoder\.layers\.(\d+)\.')
#: Heads once more, where the decoder finds them.
_TWICE = re.compile(r'^transformer\.decoder\.((?:bbox|class)_embed\..*)$')


def averaged_weights(content: Any) -> Any:
    """Of a checkpoint the averaged weights, which are those measured.

    Args:
        content: Of the file.

    Returns:
        ``ema_model`` if it has some, else the content as it is.
    """
    if isinstance(content, dict) and isinstance(
        content.get('ema_model'), dict
    ):
        return content['ema_model']
    return content


def from_official(
    weights: dict[str, Tensor], origin: str
) -> dict[str, Tensor]:
    """Rename a published OV-DQUO's tensors.

    Args:
        weights: State dict of a detector on an EVA-02-CLIP ViT.
        origin: Name of the file, for messages.

    Raises:
        ValueError: None such, or keys of no known part.
    """
    visual = {
        key[len(_BACKBONE) :]: value
        for key, value in weights.items()
        if key.startswith(f'{_BACKBONE}visual.')
    }
    parts = read_parts(visual)
    if parts.layout != 'eva' or 'label_enc.weight' not in weights:
        raise ValueError(
            f'{origin} is no OV-DQUO checkpoint on a ViT; one has keys such '
            f'as {_BACKBONE}visual.blocks.0.attn.q_bias and '
            'label_enc.weight. Those on ResNets cannot be converted.'
        )
    if parts.strange:
        raise ValueError(
            f'{origin} has {len(parts.strange)} keys of no known part, such '
            f'as {parts.strange[:5]}.'
        )
    found = {f'backbone.visual.trunk.{k}': v for k, v in parts.visual.items()}
    rest = {}
    for key, value in weights.items():
        if key.startswith(_ADAPTER):
            found[f'neck.adapters.0.{key[len(_ADAPTER) :]}'] = value
        elif not key.startswith(f'{_BACKBONE}visual.'):
            rest[key] = value
    return {
        **found,
        **official_detector_keys(rest, origin),
        'steps': torch.zeros((), dtype=torch.long),
    }


def official_detector_keys(
    weights: dict[str, Tensor], origin: str
) -> dict[str, Tensor]:
    """Rename the tensors of everything but the backbone.

    Args:
        weights: State dict, or gradients by the same names.
        origin: Name of the file, for messages.

    Raises:
        ValueError: Keys of no known part; heads that are there twice, and
            differ.
    """
    layers = 1 + max(
        (int(m[1]) for key in weights if (m := _LAYER.match(key))), default=-1
    )
    found: dict[str, Tensor] = {}
    strange = []
    for key, value in weights.items():
        twice = _TWICE.match(key)
        name = _rename(twice[1] if twice else key, layers)
        if name is None:
            strange.append(key)
        elif name in found and not found[name].equal(value):
            raise ValueError(
                f'{origin}: {key} is not what the same head is elsewhere in '
                'the file. It was not written by one model.'
            )
        else:
            found[name] = value
    if strange:
        raise ValueError(
            f'{origin} has {len(strange)} keys of no known part of OV-DQUO, '
            f'such as {strange[:5]}.'
        )
    return found


def _rename(key: str, layers: int) -> str | None:
    """Our name of a tensor; None if it has none."""
    stem, _, leaf = key.rpartition('.')
    if key in _HERE:
        return _HERE[key]
    if stem in _HERE:
        return f'{_HERE[stem]}.{leaf}'
    projection = re.match(r'^input_proj\.(\d)\.([01])$', stem)
    if projection:
        part = ('conv', 'gn')[int(projection[2])]
        return f'neck.convs.{projection[1]}.{part}.{leaf}'
    head = re.match(r'^(bbox|class)_embed\.(\d+)(?:\.layers\.(\d))?$', stem)
    encoder = re.match(
        r'^transformer\.enc_out_(bbox|class)_embed(?:\.layers\.(\d))?$', stem
    )
    if head:
        return _head(head[1], head[2], head[3], leaf)
    if encoder:
        return _head(encoder[1], str(layers), encoder[2], leaf)
    coder = re.match(r'^transformer\.(encoder|decoder)\.(.*)$', key)
    if not coder:
        return None
    name = f'.{coder[2]}'
    if name.startswith('.layers.'):
        for old, new in _ENCODER if coder[1] == 'encoder' else _DECODER:
            renamed = re.sub(old, new, name)
            if renamed != name:
                name = renamed
                break
    return coder[1] + name


def _head(kind: str, layer: str, number: str | None, leaf: str) -> str:
    if kind == 'class':
        return f'bbox_head.cls_branches.{layer}.{leaf}'
    # a linear layer and a ReLU by turns
    return f'bbox_head.reg_branches.{layer}.{2 * int(number or 0)}.{leaf}'
