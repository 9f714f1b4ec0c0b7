"""Hooks and loops of the runner."""

from .accumulation import AccumulationTrainLoop
from .damaged import DamagedImagesHook
from .epoch import EpochSyncHook
from .fingerprint import FingerprintHook
from .frozen import TeacherFSDP, TrainableConstructor
from .guard import RunGuardHook
from .nouns import NounHook
from .predictions import PredictionsFile
from .storage import AtomicLocalBackend, use_safe_storage
from .vocabulary import VocabularyHook
from .weight_ensemble import WeightEnsembleHook

__all__ = [
    'AccumulationTrainLoop',
    'AtomicLocalBackend',
    'DamagedImagesHook',
    'EpochSyncHook',
    'FingerprintHook',
    'NounHook',
    'PredictionsFile',
    'RunGuardHook',
    'TeacherFSDP',
    'TrainableConstructor',
    'VocabularyHook',
    'WeightEnsembleHook',
    'use_safe_storage',
]
