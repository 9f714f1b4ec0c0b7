"""Names of tensors in foreign checkpoints, and how to make them ours.

Ours are the trunk's own names (timm for EVA and SigLIP, open_clip for
OpenAI-type ViTs) with q, k and v of the decoupled stage apart. The files'
outer structure is in :mod:`~declip_mm.checkpoint.layouts`; the two modules
are the only ones of the core that know foreign names.
"""

import re

import torch
from torch import Tensor

__all__ = [
    'OFFICIAL_EVA',
    'ROPE',
    'from_official_eva',
    'fuse_last_attention',
    'fuse_other_attention',
    'fuse_pooling',
    'join_attention',
    'official_rope',
    'part_attention',
    'split_last_attention',
    'split_pooling',
    'to_official_eva',
]

Weights = dict[str, Tensor]

#: (official EVA-CLIP, timm), applied in order to names within the trunk.
OFFICIAL_EVA = (
    ('attn.q_bias', 'attn.q_proj.bias'),
    ('attn.v_bias', 'attn.v_proj.bias'),
    ('attn.inner_attn_ln.', 'attn.norm.'),
    ('mlp.w1.', 'mlp.fc1_g.'),
    ('mlp.w2.', 'mlp.fc1_x.'),
    ('mlp.w3.', 'mlp.fc2.'),
    ('mlp.ffn_ln.', 'mlp.norm.'),
)

#: Rotary tables are computed for each grid, never loaded.
ROPE = re.compile(r'(^|\.)rope\.freqs_(cos|sin)$')

_BLOCK = re.compile(r'(?:^|\.)blocks\.(\d+)\.')
_RESBLOCK = re.compile(r'^(transformer\.resblocks\.(\d+)\.attn\.)(\w+)')


def from_official_eva(key: str) -> str:
    """Official EVA-CLIP name within the trunk -> timm name."""
    for theirs, ours in OFFICIAL_EVA:
        key = key.replace(theirs, ours)
    return key


def to_official_eva(key: str) -> str:
    """timm name within the trunk -> official EVA-CLIP name."""
    for theirs, ours in OFFICIAL_EVA:
        key = key.replace(ours, theirs)
    return key


def official_rope(tower: Weights, head_dim: int) -> Weights:
    """The rotary tables that official EVA-CLIP files carry.

    Rotary embedding of EVA-02 (Fang et al., arXiv 2303.11331) on the native
    grid, positions scaled to a reference grid of 16 x 16.

    Args:
        tower: EVA tower under official names; its ``pos_embed`` tells the
            native grid and its blocks how often the tables are repeated.
        head_dim: Of the attention, 64 in all published models.

    Returns:
        ``rope.freqs_{cos,sin}`` (N, head_dim) of the tower and each block.
    """
    grid = round((tower['pos_embed'].shape[1] - 1) ** 0.5)
    quarter = torch.arange(0, head_dim // 2, 2)[: head_dim // 4].float()
    frequencies = 1.0 / (10000 ** (quarter / (head_dim // 2)))
    positions = torch.arange(grid) / grid * 16
    angles = torch.einsum('..., f -> ... f', positions, frequencies)
    angles = angles.repeat_interleave(2, dim=-1)  # (grid, d / 2)
    rows = angles[:, None].expand(-1, grid, -1)
    columns = angles[None].expand(grid, -1, -1)
    table = torch.cat((rows, columns), dim=-1).reshape(-1, head_dim)
    depth = 1 + max(int(m[1]) for k in tower if (m := _BLOCK.search(k)))
    stems = ['', *(f'blocks.{index}.attn.' for index in range(depth))]
    kind = tower['pos_embed'].dtype
    return {
        f'{stem}rope.freqs_{name}': value.to(kind, copy=True)
        for stem in stems
        for name, value in (('cos', table.cos()), ('sin', table.sin()))
    }


def split_pooling(tower: Weights) -> Weights:
    """timm's fused ``attn_pool.kv`` (SigLIP, PE) -> ours, k and v apart."""
    tower = dict(tower)
    for part in ('weight', 'bias'):
        fused = tower.pop(f'attn_pool.kv.{part}', None)
        if fused is not None:
            k, v = fused.chunk(2)
            tower[f'attn_pool.k.{part}'] = k
            tower[f'attn_pool.v.{part}'] = v
    return tower


def fuse_pooling(tower: Weights) -> Weights:
    """Ours -> timm's; the inverse of :func:`split_pooling`."""
    tower = dict(tower)
    for part in ('weight', 'bias'):
        names = [f'attn_pool.{name}.{part}' for name in 'kv']
        if all(name in tower for name in names):
            rows = [tower.pop(name) for name in names]
            tower[f'attn_pool.kv.{part}'] = torch.cat(rows)
    return tower


def _last_stem(tower: Weights) -> str:
    """Stem of the last block's attention in an OpenAI-type tower."""
    found = [m for k in tower if (m := _RESBLOCK.match(k))]
    return max(found, key=lambda m: int(m[2]))[1] if found else ''


def split_last_attention(tower: Weights) -> Weights:
    """OpenAI's fused ``in_proj`` of the last block -> ours, q, k, v apart."""
    tower, stem = dict(tower), _last_stem(tower)
    for part in ('weight', 'bias'):
        fused = tower.pop(f'{stem}in_proj_{part}', None) if stem else None
        if fused is not None:
            for name, rows in zip('qkv', fused.chunk(3)):
                tower[f'{stem}{name}_proj.{part}'] = rows
    return tower


def fuse_last_attention(tower: Weights) -> Weights:
    """Ours -> OpenAI's; the inverse of :func:`split_last_attention`."""
    tower, stem = dict(tower), _last_stem(tower)
    for part in ('weight', 'bias'):
        names = [f'{stem}{name}_proj.{part}' for name in 'qkv']
        if stem and all(name in tower for name in names):
            rows = [tower.pop(name) for name in names]
            tower[f'{stem}in_proj_{part}'] = torch.cat(rows)
    return tower


_ATTENTION = re.compile(r'^(.*\btransformer\.resblocks\.(\d+)\.attn\.)')


def fuse_other_attention(weights: Weights) -> Weights:
    """OpenAI-type q, k and v, kept apart in the last block alone.

    A backbone has them so; CAT-Seg takes them apart in every block.
    """
    blocks = [m for key in weights if (m := _ATTENTION.match(key))]
    last = max((int(m[2]) for m in blocks), default=0)
    out = dict(weights)
    for stem in dict.fromkeys(m[1] for m in blocks if int(m[2]) < last):
        for part in ('weight', 'bias'):
            names = [f'{stem}{name}_proj.{part}' for name in 'qkv']
            if all(name in out for name in names):
                rows = [out.pop(name) for name in names]
                out[f'{stem}in_proj_{part}'] = torch.cat(rows)
    return out


_PARTED = re.compile(r'^(.*resblocks\.\d+\.attn\.)([qkv])_proj_weight$')


def join_attention(weights: Weights) -> Weights:
    """CAT-Seg's ``{q,k,v}_proj_weight`` of every block -> ``in_proj``.

    Its fine-tuning trains q and v alone, so it takes OpenAI-type attention
    apart in both towers; the bias stays fused.

    Raises:
        ValueError: A block has only some of the three.
    """
    out: Weights = {}
    parts: dict[str, Weights] = {}
    for key, value in weights.items():
        found = _PARTED.match(key)
        if found:
            parts.setdefault(found[1], {})[found[2]] = value
        else:
            out[key] = value
    for stem, rows in parts.items():
        if set(rows) != set('qkv'):
            raise ValueError(
                f'{stem} has the projections {sorted(rows)}; q, k and v are '
                'wanted. The file is incomplete.'
            )
        out[f'{stem}in_proj_weight'] = torch.cat([rows[n] for n in 'qkv'])
    return out


def part_attention(weights: Weights) -> Weights:
    """Ours -> CAT-Seg's; the inverse of :func:`join_attention`."""
    out: Weights = {}
    for key, value in weights.items():
        stem, fused, _ = key.partition('in_proj_weight')
        if fused and 'resblocks.' in stem:
            for name, rows in zip('qkv', value.chunk(3)):
                out[f'{stem}{name}_proj_weight'] = rows
        else:
            out[key] = value
    return out


def text_metadata(visual: Weights, text: Weights) -> tuple[int, int, int]:
    """Image side, context length and vocabulary that OpenAI's files state.

    Args:
        visual: OpenAI-type tower under its own names.
        text: Text tower under open_clip's names.
    """
    grid = round((len(visual['positional_embedding']) - 1) ** 0.5)
    return (
        grid * visual['conv1.weight'].shape[-1],
        len(text['positional_embedding']),
        len(text['token_embedding.weight']),
    )
