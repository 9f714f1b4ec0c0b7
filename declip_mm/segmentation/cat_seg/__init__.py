"""CAT-Seg: cost aggregation on a fine-tuned CLIP."""

from .convert import load_released
from .gate import ZeroShotGateHook
from .head import CATSegHead
from .hooks import CATSegVocabularyHook
from .loss import OVBCELoss, dense_bce
from .queries import TextQueries, build_queries
from .segmentor import OVCATSegmentor
from .text import TrainableTextEncoder

__all__ = [
    'CATSegHead',
    'CATSegVocabularyHook',
    'OVBCELoss',
    'OVCATSegmentor',
    'TextQueries',
    'TrainableTextEncoder',
    'ZeroShotGateHook',
    'build_queries',
    'dense_bce',
    'load_released',
]
