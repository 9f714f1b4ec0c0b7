"""Layouts, strict loading, fingerprints and conversion of checkpoints."""

from .activation import Told, told_activation
from .consumers import (
    Consumer,
    consumer_of,
    refuse_consumer,
    take_todays_keys,
)
from .convert import convert
from .describe import describe
from .export import export_backbone, publish
from .facts import guess_model, name_hints
from .files import atomically, save_weights
from .fingerprint import (
    FINGERPRINT_KEY,
    FingerprintError,
    compare_fingerprints,
)
from .layouts import LAYOUTS, CLIPParts, layout_of, read_parts, write_parts
from .loading import (
    check_fit,
    fill,
    fill_model,
    load_image_tower,
    load_text_tower,
    take_whole_only,
    takes_whole_only,
)
from .reader import (
    TRUST,
    DamagedFileError,
    UntrustedFileError,
    check_whole,
    read_checkpoint,
    read_content,
)

__all__ = [
    'FINGERPRINT_KEY',
    'LAYOUTS',
    'TRUST',
    'CLIPParts',
    'Consumer',
    'DamagedFileError',
    'FingerprintError',
    'Told',
    'UntrustedFileError',
    'atomically',
    'check_fit',
    'check_whole',
    'compare_fingerprints',
    'consumer_of',
    'convert',
    'describe',
    'export_backbone',
    'fill',
    'fill_model',
    'guess_model',
    'layout_of',
    'load_image_tower',
    'load_text_tower',
    'name_hints',
    'publish',
    'read_checkpoint',
    'read_content',
    'read_parts',
    'refuse_consumer',
    'save_weights',
    'take_todays_keys',
    'take_whole_only',
    'takes_whole_only',
    'told_activation',
    'write_parts',
]
