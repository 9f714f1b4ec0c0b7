"""CAT-Seg: cost aggregation on a fine-tuned CLIP."""

from ...deprecation import old_exports
from ...engine import VocabularyHook
from .convert import load_released
from .embedder import TrainableTextEmbedder
from .gate import ZeroShotGateHook
from .head import CATSegHead
from .loss import OVBCELoss, dense_bce
from .segmentor import OVCATSegmentor
from .text import TrainableTextEncoder

__all__ = [
    'CATSegHead',
    'OVBCELoss',
    'OVCATSegmentor',
    'TrainableTextEmbedder',
    'TrainableTextEncoder',
    'ZeroShotGateHook',
    'dense_bce',
    'load_released',
]

__getattr__ = old_exports(__name__, CATSegVocabularyHook=VocabularyHook)
