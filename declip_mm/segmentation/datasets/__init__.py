"""Data sets of open-vocabulary segmentation, and the loader of their maps."""

from .base import LoadOVAnnotations, OVSegDataset
from .benchmarks import (
    OVADE20KDataset,
    OVADE847Dataset,
    OVCityscapesDataset,
    OVCOCOObjectDataset,
    OVCOCOStuffDataset,
    OVContext59Dataset,
    OVContext60Dataset,
    OVContext459Dataset,
    OVPAS20bDataset,
    OVVOC20Dataset,
    OVVOC21Dataset,
)

__all__ = [
    'LoadOVAnnotations',
    'OVADE20KDataset',
    'OVADE847Dataset',
    'OVCOCOObjectDataset',
    'OVCOCOStuffDataset',
    'OVCityscapesDataset',
    'OVContext59Dataset',
    'OVContext60Dataset',
    'OVContext459Dataset',
    'OVPAS20bDataset',
    'OVSegDataset',
    'OVVOC20Dataset',
    'OVVOC21Dataset',
]
