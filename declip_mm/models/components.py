"""Feature maps in fewer channels that correlate as before.

B batch, D' channels, N = h * w tokens, K components. The context loss reads
nothing of a VFM but the cosines between the tokens of a picture, so a picture
may have its own basis: the K directions of its unit features that hold most
of the matrix of cosines.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['correlation_error', 'principal_components']

#: Rows of the matrix of cosines at a time.
_CHUNK = 1024


def principal_components(features: Tensor, count: int) -> Tensor:
    """Features of each picture in the best basis of ``count`` directions.

    The basis is that of the unit features, for which it leaves the least
    squared error of the matrix of inner products (Eckart and Young); in it
    are the features as they are, so that their maps can be resized as before.

    Args:
        features: (B, D', h, w).
        count: K, at most D'.

    Returns:
        (B, K, h, w) float32. Each picture has its own basis, so that channels
        of two pictures have nothing in common.

    Raises:
        ValueError: ``count`` is not 1 to D'.
    """
    channels = features.shape[1]
    if not 1 <= count <= channels:
        raise ValueError(
            f'components must be 1 to {channels}, the channels of the VFM, '
            f'got {count}.'
        )
    device = features.device.type
    with torch.autocast(device, enabled=False):
        tokens = features.float().flatten(2).transpose(1, 2)  # (B, N, D')
        unit = F.normalize(tokens, dim=-1)
        if tokens.shape[1] < channels:
            basis = _from_tokens(unit, count)
        else:  # eigenvalues come in ascending order
            _, vectors = torch.linalg.eigh(unit.transpose(1, 2) @ unit)
            basis = vectors[..., -count:].flip(-1)
        found = (tokens @ basis).transpose(1, 2)
    return found.unflatten(2, features.shape[2:])


def _from_tokens(unit: Tensor, count: int) -> Tensor:
    """The basis (B, D', K) by way of the smaller N x N matrix; N < D'."""
    values, vectors = torch.linalg.eigh(unit @ unit.transpose(1, 2))
    values = values[..., -count:].flip(-1)
    vectors = vectors[..., -count:].flip(-1)
    # directions that hold nothing have no length to divide by
    real = values > 1e-6 * values[..., :1]
    scale = torch.where(real, values, 1.0).rsqrt() * real
    basis = unit.transpose(1, 2) @ (vectors * scale[..., None, :])
    return F.pad(basis, (0, count - basis.shape[-1]))


def correlation_error(features: Tensor, kept: Tensor) -> Tensor:
    """How far the cosines between tokens have moved.

    Args:
        features: (B, D', h, w).
        kept: (B, K, h, w) in their place.

    Returns:
        (B, 2) float32: mean and greatest absolute difference over all pairs
        of tokens of a picture.
    """
    device = features.device.type
    with torch.autocast(device, enabled=False):
        before, after = (
            F.normalize(maps.float().flatten(2), dim=1)
            for maps in (features, kept)
        )
        count = before.shape[2]
        total = before.new_zeros(len(before))
        worst = before.new_zeros(len(before))
        for start in range(0, count, _CHUNK):
            part = slice(start, start + _CHUNK)
            moved = after[..., part].transpose(1, 2) @ after
            moved -= before[..., part].transpose(1, 2) @ before
            moved = moved.abs_().flatten(1)
            total += moved.sum(dim=1)
            worst = torch.maximum(worst, moved.amax(dim=1))
    return torch.stack([total / count**2, worst], dim=1)
