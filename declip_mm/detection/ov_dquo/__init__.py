"""OV-DQUO (Wang et al., AAAI 2025), a DETR for any vocabulary."""

from .detector import OVDQUO
from .head import OVDQUOHead
from .losses import OVDQUODenoisingLoss, OVDQUOGIoULoss, OVDQUOQualityLoss
from .matching import ConditionalMatcher
from .neck import OVDQUONeck
from .sampler import RepeatFactorSampler
from .targets import PSEUDO_LABEL

__all__ = [
    'OVDQUO',
    'PSEUDO_LABEL',
    'ConditionalMatcher',
    'OVDQUODenoisingLoss',
    'OVDQUOGIoULoss',
    'OVDQUOHead',
    'OVDQUONeck',
    'OVDQUOQualityLoss',
    'RepeatFactorSampler',
]
