"""Writing a CLIP in any layout; the inverse of reading it."""

from collections.abc import Callable

import torch
from torch import Tensor

from . import keymaps
from .layouts import CAT_SEG, F_VIT, OURS, CLIPParts

__all__ = ['LAYOUTS', 'write_parts']

Weights = dict[str, Tensor]


def write_parts(
    parts: CLIPParts, layout: str = '', head_dim: int = 64
) -> Weights:
    """Write a CLIP in a layout; the inverse of :func:`read_parts`.

    Args:
        parts: As read; parts that are empty are left out.
        layout: One of :data:`LAYOUTS`; empty is the one it was read from.
        head_dim: Of an EVA tower, for the rotary tables of official files.

    Returns:
        State dict; every tensor of the parts is in it.

    Raises:
        ValueError: No such layout, or one that cannot hold these parts.
    """
    layout = layout or parts.layout
    if layout not in LAYOUTS:
        raise ValueError(
            f'unknown layout {layout!r}; known are {", ".join(LAYOUTS)}.'
        )
    kind, kinds = parts.trunk, _HOLDS.get(layout)
    if kind and kinds and kind not in kinds:
        raise ValueError(
            f'layout {layout!r} holds {" or ".join(kinds)} towers; this is '
            f'one of kind {kind!r}. Use declip_mm, or a layout that fits.'
        )
    if layout in ('timm', 'f_vit') and (parts.text or parts.scalars):
        raise ValueError(
            f'layout {layout!r} has no place for the text tower; write the '
            "image tower alone (parts=('visual',))."
        )
    written = LAYOUTS[layout](parts, head_dim)
    beside = parts.beside if layout == parts.layout else {}
    # Views of one storage cannot go into safetensors.
    return {
        k: v.contiguous().clone() for k, v in {**written, **beside}.items()
    }


def _join(
    visual: Weights, prefix: str, parts: CLIPParts, text: str
) -> Weights:
    return {
        **{f'{prefix}{k}': v for k, v in visual.items()},
        **{f'{text}{k}': v for k, v in parts.text.items()},
        **parts.scalars,
    }


def _theirs(parts: CLIPParts) -> Weights:
    """Image tower under its own library's names, q, k and v fused."""
    return keymaps.fuse_pooling(keymaps.fuse_last_attention(parts.visual))


def _eva_tower(parts: CLIPParts, head_dim: int) -> Weights:
    rename = keymaps.to_official_eva
    tower = {rename(k): v for k, v in parts.visual.items()}
    return {**tower, **keymaps.official_rope(tower, head_dim)} if tower else {}


def _open_clip(parts: CLIPParts, text: str) -> Weights:
    plain = parts.trunk == 'openai'
    prefix = 'visual.' if plain else 'visual.trunk.'
    return _join(_theirs(parts), prefix, parts, text)


def _openai(parts: CLIPParts, head_dim: int) -> Weights:
    weights = _open_clip(parts, '')
    if not (parts.visual and parts.text):
        return weights
    names = ('input_resolution', 'context_length', 'vocab_size')
    values = keymaps.text_metadata(parts.visual, parts.text)
    stated = {n: torch.tensor(v) for n, v in zip(names, values)}
    return {**weights, **stated}


def _prefixed(weights: Weights, prefix: str) -> Weights:
    return {f'{prefix}{k}': v for k, v in weights.items()}


#: Kinds of towers that a layout can hold, where it cannot hold all.
_HOLDS = dict(
    eva=('eva',),
    cat_seg_eva=('eva',),
    f_vit=('eva',),
    openai=('openai',),
    cat_seg_openai=('openai',),
)

LAYOUTS: dict[str, Callable[[CLIPParts, int], Weights]] = dict(
    declip_mm=lambda p, d: _join(p.visual, OURS, p, 'text.'),
    eva=lambda p, d: _join(_eva_tower(p, d), 'visual.', p, 'text.'),
    openai=_openai,
    open_clip=lambda p, d: _open_clip(p, ''),
    open_clip_custom=lambda p, d: _open_clip(p, 'text.'),
    timm=lambda p, d: _theirs(p),
    cat_seg_openai=lambda p, d: _prefixed(
        keymaps.part_attention(_open_clip(p, '')), CAT_SEG
    ),
    cat_seg_eva=lambda p, d: _prefixed(LAYOUTS['eva'](p, d), CAT_SEG),
    f_vit=lambda p, d: _join(_eva_tower(p, d), F_VIT, p, ''),
)
