"""Layouts of CLIP files: read into the same parts, written from them.

| layout | who writes it |
|---|---|
| ``declip_mm`` | our training checkpoints and exports |
| ``eva`` | EVA-CLIP's, DeCLIP's and CLIPSelf's releases |
| ``openai`` | OpenAI's archives |
| ``open_clip`` | OpenCLIP's ``CLIP``: text tower at the top level |
| ``open_clip_custom`` | its ``CustomTextCLIP``: text tower under ``text.`` |
| ``timm`` | timm; the image tower alone |
| ``cat_seg_openai``, ``cat_seg_eva`` | the CLIP within CAT-Seg's releases |
| ``f_vit`` | the backbone of F-ViT's detectors (mmdet 2) |
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from . import keymaps

__all__ = [
    'CAT_SEG',
    'F_VIT',
    'LAYOUTS',
    'OURS',
    'CLIPParts',
    'layout_of',
    'read_parts',
    'write_parts',
]

Weights = dict[str, Tensor]

CAT_SEG = 'sem_seg_head.predictor.clip_model.'
F_VIT = 'backbone.visual.'
OURS = 'backbone.visual.trunk.'

#: Beside the CLIP in each layout; anything else in the file is refused.
_BESIDE = {
    'cat_seg_openai': r'^(sem_seg_head\.|upsample[12]\.|(clip_)?pixel_)',
    'cat_seg_eva': r'^(sem_seg_head\.|upsample[12]\.|(clip_)?pixel_)',
    'f_vit': r'^(backbone\.interpolate\d\.|neck\.|rpn_head\.|roi_head\.)',
}
_PREFIXES = dict(
    cat_seg_openai=CAT_SEG,
    cat_seg_eva=CAT_SEG,
    f_vit='backbone.',
    declip_mm='backbone.',
)
_NESTED = ('eva', 'cat_seg_eva', 'open_clip_custom', 'declip_mm')
#: Computed, or statements about the sizes; never loaded.
_COMPUTED = re.compile(
    r'^(text\.)?attn_mask$|^(input_resolution|context_length|vocab_size)$'
)
_TEXT = re.compile(
    r'^(transformer\.|token_embedding\.|ln_final\.'
    r'|positional_embedding$|text_projection($|\.)|cls_emb$)'
)
_SCALARS = ('logit_scale', 'logit_bias')
#: Kinds of towers that a layout can hold, where it cannot hold all.
_HOLDS = dict(
    eva=('eva',),
    cat_seg_eva=('eva',),
    f_vit=('eva',),
    openai=('openai',),
    cat_seg_openai=('openai',),
)


class CLIPParts(NamedTuple):
    """A CLIP taken apart.

    Attributes:
        layout: Of the file.
        visual: Image tower under our names.
        text: Text tower under the names of open_clip's ``TextTransformer``.
        scalars: ``logit_scale`` and, of SigLIP, ``logit_bias``.
        beside: What the layout keeps beside the CLIP, under its own names.
        strange: Keys that belong to no known part.
    """

    layout: str
    visual: Weights
    text: Weights
    scalars: Weights
    beside: Weights
    strange: list[str]

    @property
    def trunk(self) -> str:
        """Kind of image tower: ``'eva'``, ``'openai'``, ``'pooling'`` (SigLIP,
        PE), ``'other'``, or ``''`` where there is none."""
        if any(k.startswith('attn_pool.') for k in self.visual):
            return 'pooling'
        if any('.attn.norm.' in k or '.fc1_g.' in k for k in self.visual):
            return 'eva'
        if 'conv1.weight' in self.visual:
            return 'openai'
        return 'other' if self.visual else ''


def layout_of(weights: Weights) -> str:
    """Name of a file's layout; ``''`` if it is none that is known."""
    if any(k.startswith(CAT_SEG) for k in weights):
        inner = f'{CAT_SEG}visual.'
        eva = any(k.startswith(inner) and _official(k) for k in weights)
        return 'cat_seg_eva' if eva else 'cat_seg_openai'
    if any(k.startswith(OURS) for k in weights):
        return 'declip_mm'
    if any(k.startswith(F_VIT) for k in weights):
        return 'f_vit'
    trunk = any(k.startswith('visual.trunk.') for k in weights)
    visual = any(k.startswith('visual.') for k in weights)
    if visual and not trunk and any(map(_official, weights)):
        return 'eva'
    if any(k.startswith('text.') for k in weights) or trunk:
        return 'open_clip_custom'
    if 'input_resolution' in weights:
        return 'openai'
    if visual or 'token_embedding.weight' in weights:
        return 'open_clip'
    bare = ('patch_embed.proj.weight', 'conv1.weight')
    return 'timm' if any(k in weights for k in bare) else ''


def _official(key: str) -> bool:
    """Whether only official EVA-CLIP code writes such a name."""
    return key.endswith(('.attn.q_bias', '.mlp.w1.weight'))


def read_parts(weights: Weights) -> CLIPParts:
    """Take the CLIP out of a state dict of any known layout.

    Nothing is dropped but rotary tables, causal masks and OpenAI's three
    statements about sizes, which are computed. A file of an unknown layout
    has empty parts, and all of its keys in ``strange``.
    """
    layout = layout_of(weights)
    if not layout:
        return CLIPParts('', {}, {}, {}, {}, list(weights))
    inner, beside, strange = _unwrap(weights, layout)
    visual, text, scalars = {}, {}, {}
    for key, value in inner.items():
        if _COMPUTED.search(key) or keymaps.ROPE.search(key):
            continue
        where, name = _place(key, layout)
        if where == 'visual':
            visual[name] = value
        elif where == 'text':
            text[name] = value
        elif where == 'scalar':
            scalars[key] = value
        else:
            strange.append(key)
    if layout in ('eva', 'cat_seg_eva', 'f_vit', 'timm'):
        renamed = keymaps.from_official_eva
        visual = {renamed(k): v for k, v in visual.items()}
    visual = keymaps.split_pooling(keymaps.split_last_attention(visual))
    return CLIPParts(layout, visual, text, scalars, beside, strange)


def _unwrap(
    weights: Weights, layout: str
) -> tuple[Weights, Weights, list[str]]:
    """Keys of the CLIP without the layout's prefix; beside it; strange."""
    prefix = _PREFIXES.get(layout, '')
    known = re.compile(_BESIDE.get(layout, '$^'))
    inner, beside, strange = {}, {}, []
    for key, value in weights.items():
        if layout == 'f_vit' and known.search(key):
            beside[key] = value  # its adapters are within the prefix
        elif key.startswith(prefix):
            inner[key[len(prefix) :]] = value
        elif known.search(key):
            beside[key] = value
        elif layout == 'declip_mm' and _place(key, layout)[0] != '':
            inner[key] = value
        else:
            strange.append(key)
    if layout == 'cat_seg_openai':
        inner = keymaps.join_attention(inner)
    return inner, beside, strange


def _place(key: str, layout: str) -> tuple[str, str]:
    """Which part a key belongs to, and its name there."""
    if layout == 'timm':
        return 'visual', key
    for prefix in ('visual.trunk.', 'visual.'):
        if key.startswith(prefix):
            return 'visual', key[len(prefix) :]
    if key in _SCALARS:
        return 'scalar', key
    nested = layout in _NESTED
    if nested and key.startswith('text.'):
        return 'text', key[len('text.') :]
    if not nested and _TEXT.search(key):
        return 'text', key
    return '', key


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
