"""Key names of the head in CAT-Seg's released checkpoints.

The CLIP in these files is read by :mod:`declip_mm.checkpoint`.
"""

import re

from torch import Tensor

__all__ = [
    'HEAD_PREFIX',
    'from_official_head',
    'head_options',
    'official_head_keys',
    'released_head',
]

#: Where a released checkpoint keeps the aggregation head.
HEAD_PREFIX = 'sem_seg_head.predictor.transformer.'

#: (pattern of the released name, our name), first match wins.
_HEAD = tuple(
    (re.compile(pattern), ours)
    for pattern, ours in (
        (r'^conv1\.', 'cost_embed.'),
        (r'^guidance_projection\.0\.', 'image_guidance.'),
        (r'^text_guidance_projection\.0\.', 'text_guidance.'),
        (r'^decoder_guidance_projection\.(\d)\.0\.', r'tap_guidance.\1.'),
        (r'^decoder(\d)\.up\.', r'decoder.up\1.up.'),
        (
            r'^decoder(\d)\.conv\.double_conv\.0\.',
            r'decoder.up\1.conv1.',
        ),
        (
            r'^decoder(\d)\.conv\.double_conv\.1\.',
            r'decoder.up\1.norm1.',
        ),
        (
            r'^decoder(\d)\.conv\.double_conv\.3\.',
            r'decoder.up\1.conv2.',
        ),
        (
            r'^decoder(\d)\.conv\.double_conv\.4\.',
            r'decoder.up\1.norm2.',
        ),
        (r'^head\.', 'decoder.predict.'),
        (
            r'^(layers\.\d+)\.swin_block\.block_(\d)\.mlp\.fc1\.',
            r'\1.spatial.block\2.mlp.0.',
        ),
        (
            r'^(layers\.\d+)\.swin_block\.block_(\d)\.mlp\.fc2\.',
            r'\1.spatial.block\2.mlp.2.',
        ),
        (
            r'^(layers\.\d+)\.swin_block\.block_(\d)\.',
            r'\1.spatial.block\2.',
        ),
        (
            r'^(layers\.\d+)\.swin_block\.guidance_norm\.',
            r'\1.spatial.guidance_norm.',
        ),
        (
            r'^(layers\.\d+)\.attention\.padding_tokens$',
            r'\1.classes.pad_token',
        ),
        (
            r'^(layers\.\d+)\.attention\.padding_guidance$',
            r'\1.classes.pad_guidance',
        ),
        (r'^(layers\.\d+)\.attention\.attention\.', r'\1.classes.attn.'),
        (r'^(layers\.\d+)\.attention\.MLP\.', r'\1.classes.mlp.'),
        (r'^(layers\.\d+)\.attention\.', r'\1.classes.'),
    )
)
#: The shift mask is computed for each grid, never loaded.
_COMPUTED = re.compile(r'\.attn_mask$')


def from_official_head(key: str) -> str:
    """Released name within the aggregation head -> ours."""
    for pattern, ours in _HEAD:
        found, count = pattern.subn(ours, key)
        if count:
            return found
    return key


def official_head_keys(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """State dict of the released aggregation head under our names."""
    out = {}
    for key, value in weights.items():
        if _COMPUTED.search(key):
            continue
        name = from_official_head(key)
        # (1, 1, D) padding vectors -> (D,)
        is_pad = name.endswith(('.pad_token', '.pad_guidance'))
        out[name] = value.flatten() if is_pad else value
    return out


def released_head(weights: dict[str, Tensor]) -> tuple[dict, list[str]]:
    """The head out of what a released checkpoint keeps beside the CLIP.

    Args:
        weights: ``beside`` of :func:`~declip_mm.checkpoint.read_parts`.

    Returns:
        The head's tensors under our names, and keys that are none of its.
    """
    head, strange = {}, []
    for key, value in weights.items():
        if key.startswith(HEAD_PREFIX):
            head[key[len(HEAD_PREFIX) :]] = value
        elif re.match(r'^upsample[12]\.', key):
            head[f'upsamplers.{int(key[8]) - 1}{key[9:]}'] = value
        elif not re.match(r'^(clip_)?pixel_(mean|std)$', key):
            strange.append(key)
    return official_head_keys(head), strange


def head_options(weights: dict[str, Tensor]) -> dict:
    """Read the sizes of :class:`CATSegHead` off its weights (our names).

    Window, class limit, heads and pooling leave no trace in the weights.
    """
    taps = [weights[f'tap_guidance.{i}.weight'] for i in (0, 1)]
    dim, num_prompts = weights['cost_embed.weight'].shape[:2]
    options = dict(
        embed_dim=weights['text_guidance.weight'].shape[1],
        dim=dim,
        guidance_dim=len(weights['text_guidance.weight']),
        tap_dims=tuple(t.shape[1] for t in taps),
        decoder_guidance_dims=tuple(t.shape[0] for t in taps),
        decoder_dims=tuple(
            len(weights[f'decoder.up{i}.norm2.weight']) for i in (1, 2)
        ),
        num_layers=1
        + max(
            int(k.split('.')[1]) for k in weights if k.startswith('layers.')
        ),
        num_prompts=num_prompts,
    )
    if 'upsamplers.0.weight' in weights:
        options['tap_dim'] = len(weights['upsamplers.0.weight'])
    return options
