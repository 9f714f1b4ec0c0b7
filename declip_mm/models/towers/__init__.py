"""Image towers: one adapter per kind of CLIP trunk."""

from typing import Any

from open_clip.model import _build_vision_tower

from .base import Tower
from .config import (
    Activation,
    ModelConfig,
    read_model_config,
    say_unchecked,
    settle_activation,
    tag_settings,
)
from .eva import EVATower
from .fitting import tower_type
from .openclip import OpenCLIPTower
from .pooling import PETower, SigLIPTower

__all__ = [
    'Activation',
    'EVATower',
    'ModelConfig',
    'OpenCLIPTower',
    'PETower',
    'SigLIPTower',
    'Tower',
    'build_tower',
    'read_model_config',
    'say_unchecked',
    'settle_activation',
    'tag_settings',
]

#: Adapter by names of timm trunks.
TIMM_TOWERS: dict[str, type[Tower]] = {
    r'eva02_\w+_clip_': EVATower,
    r'vit_\w+_siglip_\d': SigLIPTower,
    r'vit_pe_core_': PETower,
}


def build_tower(
    config: dict[str, Any], quick_gelu: bool | None = None
) -> Tower:
    """Build the image tower of an open_clip-style configuration.

    Args:
        config: As :func:`read_model_config` returns it.
        quick_gelu: Activation of an OpenAI-type ViT; None takes the
            configuration's.

    Returns:
        The adapter with random weights.

    Raises:
        ValueError: The trunk cannot be decoupled; says why and what can.
    """
    vision = dict(config['vision_cfg'])
    if vision.get('timm_model_name'):
        return _build_timm_tower(config, vision, quick_gelu)
    if quick_gelu is None:
        quick_gelu = bool(config.get('quick_gelu', False))
    trunk = _build_vision_tower(config['embed_dim'], vision, quick_gelu)
    return OpenCLIPTower(trunk, 'quick_gelu' if quick_gelu else 'gelu')


def _build_timm_tower(
    config: dict[str, Any], vision: dict[str, Any], quick_gelu: bool | None
) -> Tower:
    name = vision['timm_model_name']
    kind = tower_type(name, TIMM_TOWERS)
    if quick_gelu:
        own = 'SwiGLU' if kind is EVATower else 'GELU'
        raise ValueError(
            f'quick_gelu=True does not apply to {name!r}, which has {own}. '
            'Leave quick_gelu at None.'
        )
    options: dict[str, Any] = dict(
        out_dim=config['embed_dim'],
        image_size=vision.get('image_size', 224),
        timm_kwargs=vision.get('timm_kwargs'),
    )
    if kind.pools:
        projection = vision.get('timm_proj')
        if projection not in (None, '', 'none'):
            raise ValueError(
                f'timm_proj={projection!r} does not fit {name!r}: allowed are '
                'null (the trunk has the projection) and "none".'
            )
        options['projection'] = projection != 'none'
    return kind(name, **options)
