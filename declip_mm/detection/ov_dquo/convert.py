"""OV-DQUO checkpoints of the authors' code under our names."""

import re

from torch import Tensor

__all__ = ['official_detector_keys']

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
