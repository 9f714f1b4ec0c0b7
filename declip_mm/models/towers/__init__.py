"""Image towers: one adapter per kind of CLIP trunk."""

from typing import Any, Dict, Optional

from open_clip.model import _build_vision_tower

from .base import Tower
from .config import ModelConfig, read_model_config, tag_settings
from .eva import EVATower
from .openclip import OpenCLIPTower
from .position import resize_position_embedding

__all__ = [
    'EVATower',
    'ModelConfig',
    'OpenCLIPTower',
    'Tower',
    'build_tower',
    'read_model_config',
    'resize_position_embedding',
    'tag_settings',
]


def build_tower(
    config: Dict[str, Any], quick_gelu: Optional[bool] = None
) -> Tower:
    """Build the image tower of an open_clip-style configuration.

    Args:
        config: As :func:`read_model_config` returns it.
        quick_gelu: Activation of an OpenAI-type ViT; None takes the
            configuration's.

    Returns:
        The adapter with random weights.
    """
    vision = dict(config['vision_cfg'])
    timm_name = vision.get('timm_model_name')
    if timm_name:
        if not timm_name.startswith('eva02'):
            raise ValueError(
                f'trunk {timm_name!r} has no adapter. Supported: timm '
                'eva02_*_clip_* trunks and the ViTs of open_clip itself.'
            )
        if quick_gelu:
            raise ValueError(
                f'quick_gelu=True does not apply to {timm_name!r}: EVA-02 '
                'has SwiGLU. Leave quick_gelu at None.'
            )
        return EVATower(
            timm_name,
            out_dim=config['embed_dim'],
            image_size=vision.get('image_size', 224),
            timm_kwargs=vision.get('timm_kwargs'),
        )
    if quick_gelu is None:
        quick_gelu = bool(config.get('quick_gelu', False))
    trunk = _build_vision_tower(config['embed_dim'], vision, quick_gelu)
    return OpenCLIPTower(trunk, 'quick_gelu' if quick_gelu else 'gelu')
