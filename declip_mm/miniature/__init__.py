"""The miniature world: scenes, a tiny CLIP on them, tables, the quickstart.

It stands on the whole package and nothing of the package stands on it.
Importing it adds the VFM ``'miniature'`` to those of
:func:`declip_mm.apis.load_vfm`.
"""

from typing import TYPE_CHECKING

from ..apis.vfms import VFMS
from .world import ASSETS, build_world, load_pack, make_scene

if TYPE_CHECKING:
    from ..models import VFMTeacher

__all__ = ['ASSETS', 'build_world', 'load_pack', 'make_scene']


def _vit_s_teacher() -> 'VFMTeacher':
    # with it comes torch, which no command needs to print its help
    from .vfm import vit_s_teacher

    return vit_s_teacher()


VFMS['miniature'] = _vit_s_teacher
