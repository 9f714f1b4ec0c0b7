"""Metrics of the core; they need neither mmdet nor mmseg."""

from .dense_iou import DenseIoUMetric, intersect_and_areas
from .proxy_tokens import ProxyShares, patch_objects, proxy_shares
from .region_classification import RegionClassificationMetric

__all__ = [
    'DenseIoUMetric',
    'ProxyShares',
    'RegionClassificationMetric',
    'intersect_and_areas',
    'patch_objects',
    'proxy_shares',
]
