"""Backbone, teachers, losses and the distiller."""

from .cache import TeacherCache
from .declip_vit import DeCLIPViT
from .distiller import DecoupledDistiller
from .features import DenseFeatures
from .predictor import OpenVocabEvaluator, OpenVocabPredictor
from .preprocessor import DeCLIPPreprocessor
from .teachers import CLIPCropTeacher, FrozenTeacher, VFMTeacher
from .text import DeCLIPTextEncoder

__all__ = [
    'CLIPCropTeacher',
    'DeCLIPPreprocessor',
    'DeCLIPTextEncoder',
    'DeCLIPViT',
    'DecoupledDistiller',
    'DenseFeatures',
    'FrozenTeacher',
    'OpenVocabEvaluator',
    'OpenVocabPredictor',
    'TeacherCache',
    'VFMTeacher',
]
