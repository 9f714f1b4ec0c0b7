"""Vision foundation models by names of ours."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..models import VFMTeacher

__all__ = ['VFMS']

#: Name -> VFM that no library has; who brings one adds it here.
VFMS: dict[str, 'Callable[[], VFMTeacher]'] = {}
