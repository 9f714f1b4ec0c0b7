"""What leaves a training checkpoint: its backbone, or all it has learnt."""

import hashlib
import logging
from pathlib import Path

from mmengine.logging import print_log

from .consumers import CAT_SEG, consumer_of, under_prefix
from .files import SUFFIXES, save_weights
from .fingerprint import FINGERPRINT_KEY
from .keymaps import fuse_other_attention
from .reader import read_checkpoint

__all__ = ['export_backbone', 'publish']


def _fingerprint(meta: dict, path: str) -> dict:
    found = meta.get(FINGERPRINT_KEY)
    if not found:
        raise ValueError(
            f'{path} has no fingerprint, so its affinity and scale are '
            'unknown. Train with FingerprintHook, as the shipped configs do, '
            'or declare both with tools/model_converters/convert.py.'
        )
    return found


def export_backbone(
    checkpoint: str,
    out: str,
    prefix: str = 'backbone.',
    trust_pickle: str | None = None,
) -> dict:
    """Write the backbone of a training checkpoint to a file of its own.

    The file drops into any config as ``init_cfg=dict(type='Pretrained',
    checkpoint=out, prefix='backbone.')``. Its weights are those that were
    evaluated: the mixture where a weight ensemble was on.

    Args:
        checkpoint: File that the runner saved.
        out: ``.pth`` or ``.safetensors``.
        prefix: Where the backbone is in the checkpoint; it is under
            ``'backbone.'`` in ``out``, whatever this is.
        trust_pickle: See :func:`~declip_mm.checkpoint.reader.read_content`.

    Returns:
        The fingerprint that was written along.

    Raises:
        ValueError: The checkpoint has no fingerprint or no such keys.
    """
    weights, meta = read_checkpoint(checkpoint, trust_pickle)
    fingerprint = _fingerprint(meta, checkpoint)
    if consumer_of(weights) is CAT_SEG:
        print_log(
            f'{checkpoint} is the checkpoint of {CAT_SEG.name}, whose image '
            'tower was trained together with its text tower: it does not '
            'understand that of the original CLIP any more.',
            logger='current',
            level=logging.WARNING,
        )
    weights = fuse_other_attention(under_prefix(weights, prefix, checkpoint))
    weights = {f'backbone.{k}': v for k, v in weights.items()}
    save_weights(weights, out, fingerprint)
    return fingerprint


def publish(
    checkpoint: str,
    out: str,
    without_fingerprint: bool = False,
    trust_pickle: str | None = None,
) -> Path:
    """Write what a checkpoint has learnt, under a name with its hash.

    Optimiser, schedulers, histories and the unmixed student stay behind; the
    fingerprint goes along, and so do the class names of a detector.

    Args:
        checkpoint: Training checkpoint of any of our models.
        out: Name without hash, ``.pth`` or ``.safetensors``.
        without_fingerprint: Let a file through that has none.
        trust_pickle: See :func:`~declip_mm.checkpoint.reader.read_content`.

    Returns:
        ``<stem>-<first 8 digits of the file's SHA-256><suffix>``.

    Raises:
        ValueError: No fingerprint, or another suffix.
    """
    path = Path(out)
    if path.suffix not in SUFFIXES:
        raise ValueError(
            f'weights go into {" or ".join(SUFFIXES)} files, got {out}.'
        )
    weights, meta = read_checkpoint(checkpoint, trust_pickle)
    fingerprint = meta.get(FINGERPRINT_KEY)
    if not without_fingerprint:
        fingerprint = _fingerprint(meta, checkpoint)
    whole = path.with_name(f'{path.stem}-unnamed{path.suffix}')
    save_weights(
        weights, whole, fingerprint, dataset_meta=meta.get('dataset_meta')
    )
    digest = hashlib.sha256(whole.read_bytes()).hexdigest()[:8]
    final = path.with_name(f'{path.stem}-{digest}{path.suffix}')
    whole.replace(final)
    return final
