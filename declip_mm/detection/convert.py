"""F-ViT checkpoints of mmdet 2 (CLIPSelf's releases) under our names."""

import re

from torch import Tensor

from ..checkpoint import CLIPParts, read_parts

__all__ = ['from_mmdet2']

#: Class embeddings (ours are set by name) and a linear classifier that their
#: head owns and never uses.
_DROPPED = re.compile(
    r'^roi_head\.bbox_head\.(all_embeddings|fc_cls\.(weight|bias))$'
)
_LEARNED_BACKGROUND = 'roi_head.bbox_head.bg_embedding'


def from_mmdet2(
    weights: dict[str, Tensor], origin: str
) -> tuple[dict[str, Tensor], list[str]]:
    """Rename a published F-ViT's tensors.

    Args:
        weights: State dict of the file.
        origin: Its name, for messages.

    Returns:
        Our state dict, and the keys that were left out on purpose.

    Raises:
        ValueError: No F-ViT checkpoint of mmdet 2, keys of no known part, or
            a learned background, which no published config has.
    """
    parts: CLIPParts = read_parts(weights)
    if parts.layout != 'f_vit':
        raise ValueError(
            f'{origin} is no F-ViT checkpoint of mmdet 2: its layout is '
            f'{parts.layout or "unknown"}; one has keys such as '
            'backbone.visual.blocks.0.attn.q_bias.'
        )
    if parts.strange:
        raise ValueError(
            f'{origin} has {len(parts.strange)} keys of no known part, such '
            f'as {parts.strange[:5]}.'
        )
    if _LEARNED_BACKGROUND in weights:
        raise ValueError(
            f'{origin} has a learned background ({_LEARNED_BACKGROUND}); '
            'ours is the embedding of a phrase. It cannot be converted.'
        )
    found = {f'backbone.visual.trunk.{k}': v for k, v in parts.visual.items()}
    dropped = []
    for key, value in parts.beside.items():
        if _DROPPED.match(key):
            dropped.append(key)
        else:
            found[_rename(key)] = value
    return found, dropped


def _rename(key: str) -> str:
    adapter = re.match(r'^backbone\.interpolate(\d)\.(.*)$', key)
    if adapter:
        return f'neck.adapters.{int(adapter[1]) - 1}.{adapter[2]}'
    if key == 'roi_head.bbox_head.detect_temperature':
        return 'roi_head.bbox_head.fc_cls.tau_det'
    return key
