"""Backbone, teachers, losses and the distiller."""

from .cache import TeacherCache
from .crop_cache import CropCache
from .declip_vit import DeCLIPViT
from .distiller import DecoupledDistiller
from .features import DenseFeatures
from .label_teachers import CaptionTeacher, NounTeacher
from .predictor import OpenVocabEvaluator, OpenVocabPredictor
from .preprocessor import DeCLIPPreprocessor
from .region_losses import (
    RegionContrastLoss,
    RegionCosineLoss,
    RegionNounLoss,
)
from .teachers import CLIPCropTeacher, FrozenTeacher, VFMTeacher
from .text import DeCLIPTextEncoder

__all__ = [
    'CLIPCropTeacher',
    'CaptionTeacher',
    'CropCache',
    'DeCLIPPreprocessor',
    'DeCLIPTextEncoder',
    'DeCLIPViT',
    'DecoupledDistiller',
    'DenseFeatures',
    'FrozenTeacher',
    'NounTeacher',
    'OpenVocabEvaluator',
    'OpenVocabPredictor',
    'RegionContrastLoss',
    'RegionCosineLoss',
    'RegionNounLoss',
    'TeacherCache',
    'VFMTeacher',
]
