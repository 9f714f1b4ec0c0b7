"""Layouts, strict loading, fingerprints and conversion of checkpoints."""

from .convert import convert
from .describe import describe
from .export import export_backbone, publish
from .facts import guess_model, name_hints, tower_facts
from .files import atomically, save_atomically, save_weights
from .fingerprint import (
    FINGERPRINT_KEY,
    FingerprintError,
    compare_fingerprints,
)
from .layouts import CLIPParts, layout_of, read_parts
from .loading import load_image_tower, load_text_tower
from .reader import (
    TRUST,
    DamagedFileError,
    UntrustedFileError,
    check_whole,
    read_checkpoint,
    read_content,
)
from .writing import LAYOUTS, write_parts

__all__ = [
    'FINGERPRINT_KEY',
    'LAYOUTS',
    'TRUST',
    'CLIPParts',
    'DamagedFileError',
    'FingerprintError',
    'UntrustedFileError',
    'atomically',
    'check_whole',
    'compare_fingerprints',
    'convert',
    'describe',
    'export_backbone',
    'guess_model',
    'layout_of',
    'load_image_tower',
    'load_text_tower',
    'name_hints',
    'publish',
    'read_checkpoint',
    'read_content',
    'read_parts',
    'save_atomically',
    'save_weights',
    'tower_facts',
    'write_parts',
]
