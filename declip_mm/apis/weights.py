"""Whole models from checkpoints, as strictly as the runner takes them."""

from typing import Any

import torch.nn as nn
from mmengine.runner import CheckpointLoader

from ..checkpoint import (
    FINGERPRINT_KEY,
    compare_fingerprints,
    consumer_of,
    read_checkpoint,
    refuse_consumer,
)
from ..checkpoint.loading import check_fit
from ..checkpoint.reader import unwrap

__all__ = ['fill_model']


def fill_model(model: nn.Module, path: str, backbone: str) -> dict[str, Any]:
    """Load all of a model from one file.

    mmengine's own loading runs the code in a file that is no plain weights,
    and leaves what a file lacks random.

    Args:
        model: Module to fill.
        path: Checkpoint of the runner, or a state dict; also ``s3://...``.
        backbone: Attribute of the model whose ``fingerprint`` is compared.

    Returns:
        ``meta`` of the checkpoint; empty if it has none.

    Raises:
        FingerprintError: Made with another backbone.
        ValueError: Of another model, damaged, pickled code, or it does not fit the model.
    """
    if '://' in path:
        content = CheckpointLoader.load_checkpoint(path, 'cpu')
        weights, meta = unwrap(content, path)
    else:
        weights, meta = read_checkpoint(path)
    wanted, kind = consumer_of(model.state_dict()), type(model).__name__
    refuse_consumer(weights, path, wanted, kind)
    ours = getattr(model, backbone).fingerprint
    compare_fingerprints(meta.get(FINGERPRINT_KEY) or {}, ours, path)
    check_fit(weights, [], model.state_dict(), path, kind)
    model.load_state_dict(weights)
    return meta
