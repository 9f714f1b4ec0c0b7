"""What every golden check needs: arrays, and how far off they are."""

import numpy as np
import torch
from torch import Tensor

Errors = dict[str, float]


def relative_error(found: Tensor, wanted: np.ndarray) -> float:
    """Largest difference over the largest absolute value wanted."""
    wanted = torch.from_numpy(wanted)
    if found.shape != wanted.shape:
        raise ValueError(f'shape {found.shape}, recorded {wanted.shape}')
    return ((found - wanted).abs().max() / wanted.abs().max()).item()


def part(data: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        k[len(prefix) :]: v for k, v in data.items() if k.startswith(prefix)
    }
