"""Which trunks can be decoupled, and why the others cannot."""

import re
from typing import TypeVar

import timm

__all__ = ['FITTING', 'tower_type']

T = TypeVar('T')

#: Ends every refusal.
FITTING = (
    'Trunks that fit: the ViTs of open_clip with a class token (OpenAI, '
    'LAION, DFN, MetaCLIP, DataComp), and the timm trunks eva02_*_clip_*, '
    'vit_*_siglip_* and vit_pe_core_*.'
)

#: File of timm that a model comes from -> what stands in the way.
_REASONS: dict[str, str] = dict(
    convnext='a convolutional network has no attention to decouple',
    fastvit='its stages convolve and reduce the grid',
    vitamin='its stages convolve and reduce the grid',
    swin_transformer='it attends within windows, so no affinity spans the map',
    vision_transformer='of the plain ViTs of timm only those with attention '
    'pooling (SigLIP) have an adapter; the same weights often exist in '
    "open_clip's own layout",
    naflexvit='its patches come as ragged lists, not as a grid',
    eva='of the Eva family only EVA-02-CLIP and PE-Core have an adapter',
)


def tower_type(name: str, towers: dict[str, type[T]]) -> type[T]:
    """The adapter for a timm trunk.

    Args:
        name: timm model name.
        towers: Adapter by regular expression of the names that it takes.

    Raises:
        ValueError: None fits; says why and what would.
    """
    bare = name.split('.')[0]
    known = timm.is_model(bare)
    for pattern, tower in towers.items():
        if known and re.match(pattern, name):
            return tower
    if not known:
        reason = 'timm does not know it'
    else:
        family = timm.model_entrypoint(bare).__module__.rsplit('.')[-1]
        reason = _REASONS.get(family, f"timm's {family} has no adapter")
    raise ValueError(f'trunk {name!r} has no adapter: {reason}. {FITTING}')
