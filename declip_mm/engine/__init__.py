"""Hooks and loops of the runner."""

from .accumulation import AccumulationTrainLoop
from .compiling import CompileHook
from .damaged import DamagedImagesHook
from .data_time import DataTimeHook
from .epoch import EpochSyncHook
from .fingerprint import FingerprintHook
from .graphs import GraphHook
from .guard import RunGuardHook
from .optim import TrainableConstructor
from .precision import MixedOptimWrapper
from .predictions import PredictionsFile
from .sharding import TeacherFSDP
from .storage import AtomicLocalBackend, use_safe_storage
from .vocabulary import NounHook, VocabularyHook
from .weight_ensemble import WeightEnsembleHook

__all__ = [
    'AccumulationTrainLoop',
    'AtomicLocalBackend',
    'CompileHook',
    'DamagedImagesHook',
    'DataTimeHook',
    'EpochSyncHook',
    'FingerprintHook',
    'GraphHook',
    'MixedOptimWrapper',
    'NounHook',
    'PredictionsFile',
    'RunGuardHook',
    'TeacherFSDP',
    'TrainableConstructor',
    'VocabularyHook',
    'WeightEnsembleHook',
    'use_safe_storage',
]
