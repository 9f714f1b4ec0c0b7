"""Metrics of the core; they need neither mmdet nor mmseg."""

from .dense_iou import DenseIoUMetric, intersect_and_areas
from .region_classification import RegionClassificationMetric

__all__ = [
    'DenseIoUMetric',
    'RegionClassificationMetric',
    'intersect_and_areas',
]
