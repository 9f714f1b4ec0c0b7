"""Hooks and loops of the runner."""

from .accumulation import AccumulationTrainLoop
from .damaged import DamagedImagesHook
from .epoch import EpochSyncHook
from .fingerprint import FingerprintHook
from .optim import TrainableConstructor
from .vocabulary import VocabularyHook
from .weight_ensemble import WeightEnsembleHook

__all__ = [
    'AccumulationTrainLoop',
    'DamagedImagesHook',
    'EpochSyncHook',
    'FingerprintHook',
    'TrainableConstructor',
    'VocabularyHook',
    'WeightEnsembleHook',
]
