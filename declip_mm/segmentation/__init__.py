"""Open-vocabulary segmentation for mmseg.

Importing it registers data sets, metric and segmentors in mmseg's registries.
"""

from ..deprecation import old_exports
from ..engine import VocabularyHook
from ..version import require

require('mmcv', 'mmseg')

# The check comes first: without mmcv's ops or with another mmseg the imports
# below would fail with a message that names neither the package nor a remedy.
from .datasets import LoadOVAnnotations, OVSegDataset  # noqa: E402
from .ov_iou import OVIoUMetric  # noqa: E402
from .preprocessor import DenseSegPreprocessor  # noqa: E402
from .segmentor import DenseCLIPSegmentor  # noqa: E402
from .visualizer import OVSegVisualizer  # noqa: E402

from . import cat_seg  # noqa: E402  isort: skip

__all__ = [
    'DenseCLIPSegmentor',
    'DenseSegPreprocessor',
    'LoadOVAnnotations',
    'OVIoUMetric',
    'OVSegDataset',
    'OVSegVisualizer',
    'cat_seg',
]

__getattr__ = old_exports(__name__, SegVocabularyHook=VocabularyHook)
