"""The miniature world: composed scenes from public-domain drawings."""

from .pack import ASSETS, Sprite, SpritePack, load_pack
from .scenes import RECIPES, make_scene
from .world import build_world, cache_folder

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
