"""The miniature world: scenes, a tiny CLIP on them, tables, the quickstart.

It stands on the whole package and nothing of the package stands on it.
Importing it adds the VFM ``'miniature'`` to those of
:func:`declip_mm.apis.load_vfm`.
"""

from ..apis.backbones import VFMS
from .vfm import vit_s_teacher
from .world import ASSETS, build_world, load_pack, make_scene

__all__ = ['ASSETS', 'build_world', 'load_pack', 'make_scene']

VFMS['miniature'] = vit_s_teacher
