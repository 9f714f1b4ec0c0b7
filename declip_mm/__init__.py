"""DeCLIP as an OpenMMLab plug-in.

Importing the package registers its classes; it needs neither mmcv nor mmdet,
mmseg or mmpretrain.
"""

from .version import __version__, check_versions

check_versions()

# The checks come first: an unsuitable torch or timm would fail in the imports
# below with a message that names neither the package nor the bounds.
from . import datasets, engine, evaluation, models, visualization  # noqa: E402
from .models import DeCLIPViT, DecoupledDistiller  # noqa: E402
from .models.zero_shot import DenseEncoder  # noqa: E402

__all__ = [
    'DeCLIPViT',
    'DecoupledDistiller',
    'DenseEncoder',
    '__version__',
    'check_versions',
    'datasets',
    'engine',
    'evaluation',
    'models',
    'visualization',
]
