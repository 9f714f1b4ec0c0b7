"""Open-vocabulary detection on a frozen DeCLIP backbone; needs mmdet.

Importing it registers F-ViT, OV-DQUO and their parts in mmdet's registries.
"""

from ..deprecation import old_exports
from ..engine import VocabularyHook
from ..version import require

require('mmcv', 'mmdet')

# The check comes first: without mmcv's ops or with another mmdet the imports
# below would fail with a message that names neither the package nor a remedy.
from .classifier import FViTTextClassifier  # noqa: E402
from .coco_metric import (  # noqa: E402
    ByNameCocoMetric,
    ByNameOVCocoMetric,
)
from .datasets import (  # noqa: E402
    OpenVocabDetDataset,
    OVCocoDataset,
    OVVOCDataset,
)
from .f_vit import FViT, FViTFeatures  # noqa: E402
from .fusion import fuse_scores, unit  # noqa: E402
from .losses import FViTClassificationLoss  # noqa: E402
from .lvis_metric import FasterLVISMetric  # noqa: E402
from .neck import FViTNeck  # noqa: E402
from .ov_dquo import OVDQUO, OVDQUOHead, OVDQUONeck  # noqa: E402
from .pseudo.dataset import BaseOnlyDetDataset  # noqa: E402
from .pseudo.localisation import (  # noqa: E402
    LocalisationBBoxHead,
    LocalisationRoIHead,
    LocalisationRPNHead,
)
from .pseudo.pack import PackOVDetInputs  # noqa: E402
from .pseudo.proposer import ObjectProposer  # noqa: E402
from .recall_metric import ObjectRecall  # noqa: E402
from .roi_head import FViTRoIHead  # noqa: E402
from .rpn_head import FViTRPNHead  # noqa: E402

__all__ = [
    'OVDQUO',
    'BaseOnlyDetDataset',
    'ByNameCocoMetric',
    'ByNameOVCocoMetric',
    'FViT',
    'FViTClassificationLoss',
    'FViTFeatures',
    'FViTNeck',
    'FViTRPNHead',
    'FViTRoIHead',
    'FViTTextClassifier',
    'FasterLVISMetric',
    'LocalisationBBoxHead',
    'LocalisationRPNHead',
    'LocalisationRoIHead',
    'OVCocoDataset',
    'OVDQUOHead',
    'OVDQUONeck',
    'OVVOCDataset',
    'ObjectProposer',
    'ObjectRecall',
    'OpenVocabDetDataset',
    'PackOVDetInputs',
    'fuse_scores',
    'unit',
]

__getattr__ = old_exports(__name__, DetVocabularyHook=VocabularyHook)
