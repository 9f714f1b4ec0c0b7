"""DeCLIP as an OpenMMLab plug-in.

Importing the package registers its classes; it needs neither mmcv nor mmdet,
mmseg or mmpretrain.
"""

import importlib

from .version import __version__, check_versions

check_versions()

# The checks come first: an unsuitable torch or timm would fail in the imports
# below with a message that names neither the package nor the bounds.
from . import datasets, engine, evaluation, models, visualization  # noqa: E402
from .models import DeCLIPViT, DecoupledDistiller  # noqa: E402
from .models.text import Vocabulary  # noqa: E402
from .models.zero_shot import DenseEncoder  # noqa: E402

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

#: What stands on a higher floor is imported when it is asked for; the
#: inferencers are not listed above, for they need mmdet or mmseg.
_LATE = (
    'DeCLIPDetInferencer',
    'DeCLIPSegInferencer',
    'list_models',
    'load_backbone',
)


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f'module {__name__!r} has no {name!r}')
    return getattr(importlib.import_module('.apis', __name__), name)
