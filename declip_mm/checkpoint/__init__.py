"""Key maps, strict loading and fingerprints of checkpoints."""

from .export import export_backbone
from .fingerprint import (
    FINGERPRINT_KEY,
    FingerprintError,
    compare_fingerprints,
)
from .loading import load_image_tower
from .reader import read_checkpoint

__all__ = [
    'FINGERPRINT_KEY',
    'FingerprintError',
    'compare_fingerprints',
    'export_backbone',
    'load_image_tower',
    'read_checkpoint',
]
