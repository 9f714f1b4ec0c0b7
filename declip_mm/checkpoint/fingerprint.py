"""What a checkpoint says about itself, and the refusal of mismatches."""

from collections.abc import Iterable
from typing import Any

__all__ = ['FINGERPRINT_KEY', 'FingerprintError', 'compare_fingerprints']

#: Under ``checkpoint['meta']`` of every file that we write.
FINGERPRINT_KEY = 'declip'

#: Fields that decide whether features come out right.
_DECISIVE = (
    'model',
    'width',
    'num_layers',
    'num_heads',
    'patch_size',
    'out_dim',
    'activation',
    'pixel_mean',
    'pixel_std',
    'affinity',
    'scale',
)


class FingerprintError(ValueError):
    """A file's fingerprint contradicts the model that is to load it."""


def compare_fingerprints(
    theirs: dict[str, Any],
    ours: dict[str, Any],
    origin: str,
    fields: Iterable[str] = _DECISIVE,
) -> None:
    """Refuse a file that was made for another model.

    Args:
        theirs: Fingerprint in the file.
        ours: Fingerprint of the model.
        origin: File name, for the message.
        fields: Compared where both sides have them.

    Raises:
        FingerprintError: Names both sides of every field that differs.
    """
    differing = [
        f'{name}: file has {theirs[name]!r}, model has {ours[name]!r}'
        for name in fields
        if name in theirs
        and name in ours
        and not _same(theirs[name], ours[name])
    ]
    if differing:
        raise FingerprintError(
            f'{origin} was made for another model. '
            + '; '.join(differing)
            + '. Change the config to what the file has, or load another file.'
        )


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, float) or isinstance(b, float):
        try:
            return abs(float(a) - float(b)) <= 1e-6 * max(1.0, abs(float(b)))
        except (TypeError, ValueError):
            return False
    return a == b
