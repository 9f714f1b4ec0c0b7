"""Key names of foreign checkpoints; the only place that knows them.

Ours is ``visual.trunk.*`` with the trunk's own names (timm for EVA,
open_clip for OpenAI-type ViTs), under ``backbone.`` in a detector.
"""

import re
from typing import Dict, Iterable, List, Tuple

from torch import Tensor

__all__ = [
    'OFFICIAL_EVA',
    'from_official_eva',
    'image_tower_keys',
    'to_official_eva',
]

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
_ROPE = re.compile(r'(^|\.)rope\.freqs_(cos|sin)$')

#: Text towers and what open_clip and OpenAI keep beside the towers.
_NOT_VISUAL = re.compile(
    r'^(text\.|transformer\.|token_embedding\.|ln_final\.)'
    r'|^(positional_embedding|text_projection|logit_scale|logit_bias'
    r'|input_resolution|context_length|vocab_size)$'
)

#: Longest first: a prefix is taken when any key starts with it.
_PREFIXES = ('backbone.visual.trunk.', 'visual.trunk.', 'visual.')


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


def image_tower_keys(
    weights: Dict[str, Tensor], trunk_keys: Iterable[str]
) -> Tuple[Dict[str, Tensor], List[str]]:
    """Bring the image tower of any known layout to the trunk's names.

    Known: ours and exported files, open_clip (``visual.trunk.*`` or
    ``visual.*``), official EVA-CLIP and DeCLIP (``visual.*`` with
    ``q_bias``), OpenAI, and a bare trunk.

    Args:
        weights: State dict of a file.
        trunk_keys: Names that the trunk has.

    Returns:
        The tower's tensors under the trunk's names, and the keys of the file
        that belong to no known part (the caller refuses them).
    """
    prefix = next(
        (p for p in _PREFIXES if any(k.startswith(p) for k in weights)), ''
    )
    bare = not prefix and bool(set(trunk_keys) & set(weights))
    tower, strange = {}, []
    for key, value in weights.items():
        if _ROPE.search(key):
            continue
        if prefix and key.startswith(prefix):
            tower[from_official_eva(key[len(prefix) :])] = value
        elif bare:
            tower[key] = value
        elif not _NOT_VISUAL.search(key):
            strange.append(key)
    return tower, strange
