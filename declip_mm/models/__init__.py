"""Backbone, teachers, losses and the distiller."""

from mmengine.registry import MODELS

from ..deprecation import old_exports, register_old_name
from .crop_cache import CropCache
from .declip_vit import DeCLIPViT
from .distiller import DecoupledDistiller
from .features import DenseFeatures
from .label_teachers import CaptionTeacher, NounTeacher
from .predictor import OpenVocabPredictor, ZeroShotModel
from .preprocessor import DeCLIPPreprocessor
from .region_losses import (
    RegionContrastLoss,
    RegionCosineLoss,
    RegionNounLoss,
)
from .teachers import CLIPCropTeacher, FrozenTeacher, VFMTeacher
from .text import DeCLIPTextEncoder
from .vfm_cache import VFMCache

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
    'OpenVocabPredictor',
    'RegionContrastLoss',
    'RegionCosineLoss',
    'RegionNounLoss',
    'VFMCache',
    'VFMTeacher',
    'ZeroShotModel',
]

register_old_name(MODELS, 'OpenVocabEvaluator', ZeroShotModel)
register_old_name(MODELS, 'TeacherCache', VFMCache)
__getattr__ = old_exports(
    __name__, OpenVocabEvaluator=ZeroShotModel, TeacherCache=VFMCache
)
