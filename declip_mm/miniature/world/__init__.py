"""Composed scenes from public-domain drawings, in COCO's format."""

from ..paths import ASSETS, cache_folder
from .build import build_world
from .pack import Sprite, SpritePack, load_pack
from .scenes import RECIPES, make_scene

__all__ = [
    'ASSETS',
    'RECIPES',
    'Sprite',
    'SpritePack',
    'build_world',
    'cache_folder',
    'load_pack',
    'make_scene',
]
