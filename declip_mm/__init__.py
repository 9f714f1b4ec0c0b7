"""DeCLIP as an OpenMMLab plug-in.

Importing the package makes its classes known to mmengine's registries; it
needs neither mmcv nor mmdet, mmseg or mmpretrain. Parts and classes are
imported when they are asked for: torch takes seconds, and a tool that prints
its help does without.
"""

import importlib
from typing import TYPE_CHECKING

from .registration import name_classes
from .version import __version__, check_versions

# Now and not with the first class: an unsuitable torch or timm would fail with
# a message that names neither the package nor the bounds.
check_versions()
name_classes()

if TYPE_CHECKING:
    from . import datasets, engine, evaluation, models, visualization
    from .models import DeCLIPViT, DecoupledDistiller
    from .models.text import Vocabulary
    from .models.zero_shot import DenseEncoder

__all__ = [
    'DeCLIPViT',
    'DecoupledDistiller',
    'DenseEncoder',
    'Vocabulary',
    '__version__',
    'check_versions',
    'datasets',
    'engine',
    'evaluation',
    'list_models',
    'load_backbone',
    'models',
    'visualization',
]

_PARTS = (
    'checkpoint',
    'datasets',
    'engine',
    'evaluation',
    'models',
    'visualization',
)
#: Name -> the part that has it; the inferencers are not listed above, for
#: they need mmdet or mmseg.
_LATE = {
    'DeCLIPDetInferencer': 'apis',
    'DeCLIPSegInferencer': 'apis',
    'DeCLIPViT': 'models',
    'DecoupledDistiller': 'models',
    'DenseEncoder': 'models.zero_shot',
    'Vocabulary': 'models.text',
    'list_models': 'apis',
    'load_backbone': 'apis',
}


def __getattr__(name: str) -> object:
    if name in _PARTS:
        return importlib.import_module(f'.{name}', __name__)
    if name not in _LATE:
        raise AttributeError(f'module {__name__!r} has no {name!r}')
    part = importlib.import_module(f'.{_LATE[name]}', __name__)
    return getattr(part, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
