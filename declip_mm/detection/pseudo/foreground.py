"""How likely a box lies on an object, judged by what is hard to rebuild.

Reconstruction-error weights of MEPU (Fang et al., 2023) on CLIP's dense map:
a small autoencoder learns to rebuild the features of whole pictures; its
errors on known objects and on background follow two distributions, and a
box's weight is how much more its error is like the former.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor
from torchvision.ops import roi_align

__all__ = [
    'ForegroundEstimator',
    'background_boxes',
    'fit_foreground',
    'region_features',
]

#: Side of the central part of a box that is looked at, of its own sides.
_CENTRE = 1 / 8
#: A box of no weight would be no pseudo label.
_LEAST = 1e-3
#: Tries to place a box off the known objects.
_TRIES = 20
#: IoU with a known object above which a box is no background.
_CLEAR = 0.1


def region_features(dense: Tensor, boxes: Sequence[Tensor]) -> Tensor:
    """What lies in the middle of boxes.

    Args:
        dense: (B, C, h, w) of the whole input.
        boxes: (n, 4) x0 y0 x1 y1 of each image, shares of the input's sides.

    Returns:
        (N, C), unit length.
    """
    height, width = dense.shape[-2:]
    scale = dense.new_tensor([width, height, width, height])
    middle = []
    for own in boxes:
        centre = (own[:, :2] + own[:, 2:]) / 2
        half = (own[:, 2:] - own[:, :2]) * _CENTRE / 2
        middle.append(torch.cat((centre - half, centre + half), 1) * scale)
    found = roi_align(
        F.normalize(dense, dim=1), middle, output_size=1, aligned=True
    )
    return F.normalize(found.flatten(1), dim=1)


def background_boxes(
    known: Tensor, size: tuple[int, int], rng: np.random.Generator
) -> Tensor:
    """As many boxes of the same sizes, placed off the known objects.

    Args:
        known: (n, 4) x0 y0 x1 y1 in pixels.
        size: (height, width) of the picture.
        rng: Source of all randomness.

    Returns:
        (m, 4), m <= n: one is left out where no free place was found.
    """
    free = []
    for x0, y0, x1, y1 in known.tolist():
        width, height = x1 - x0, y1 - y0
        low = rng.random((_TRIES, 2)) * [
            max(size[1] - width, 0),
            max(size[0] - height, 0),
        ]
        tries = torch.from_numpy(
            np.concatenate([low, low + [width, height]], 1)
        ).float()
        clear = bbox_overlaps(tries, known).amax(1) <= _CLEAR
        if clear.any():
            free.append(tries[clear.int().argmax()])
    return torch.stack(free) if free else known.new_zeros(0, 4)


@dataclass
class ForegroundEstimator:
    """An autoencoder and what its errors look like.

    Attributes:
        autoencoder: (N, C) -> (N, C), of unit features.
        known, background: Shape a, shape c and scale of an exponentiated
            Weibull distribution of errors.
        separation: Share of pairs in which a known object's weight is above
            a background box's, of the errors it was fitted to (AUC).
    """

    autoencoder: nn.Module
    known: tuple[float, float, float]
    background: tuple[float, float, float]
    separation: float = float('nan')

    @torch.no_grad()
    def errors(self, features: Tensor) -> np.ndarray:
        """(N, C) unit features -> (N,) errors of rebuilding them."""
        own = features.to(next(self.autoencoder.parameters()).device)
        error = (self.autoencoder(own) - own).square().mean(1).sqrt()
        return error.double().cpu().numpy()

    def weights(self, errors: np.ndarray) -> np.ndarray:
        """(N,) errors -> (N,) weights in (0, 1]."""
        inside, outside = (
            _density(errors, found) for found in (self.known, self.background)
        )
        total = inside + outside
        # where neither has any density nothing is known
        share = np.divide(
            inside, total, out=np.full_like(total, 0.5), where=total > 0
        )
        return share.clip(_LEAST, 1)

    def state(self) -> dict[str, Any]:
        """Plain values, for :meth:`load`."""
        return dict(
            weights=self.autoencoder.state_dict(),
            known=list(self.known),
            background=list(self.background),
            separation=self.separation,
        )

    @classmethod
    def load(cls, state: Mapping) -> 'ForegroundEstimator':
        weights = state['weights']
        hidden, width = weights['0.weight'].shape
        autoencoder = _autoencoder(width, hidden)
        autoencoder.load_state_dict(weights)
        return cls(
            autoencoder,
            tuple(state['known']),
            tuple(state['background']),
            state['separation'],
        )


def fit_foreground(
    tokens: Tensor,
    known: Tensor,
    background: Tensor,
    steps: int = 1000,
    seed: int = 0,
) -> ForegroundEstimator:
    """Learn to rebuild tokens, and what the errors of regions look like.

    Args:
        tokens: (T, C) features from all over the pictures, unit length.
        known, background: (N, C) features of regions.
        steps: Of the autoencoder.
        seed: Decides its start and its batches.

    Raises:
        ValueError: There are too few regions to tell anything.
    """
    few = min(len(known), len(background))
    if few < 20:
        raise ValueError(
            f'{len(known)} known objects and {len(background)} boxes of '
            'background were found; 20 of each are needed to weigh others by '
            'them. Take more pictures, or weigh by score.'
        )
    width = tokens.shape[1]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        autoencoder = _autoencoder(width, max(width // 4, 1))
        autoencoder.to(tokens.device)
        optimizer = torch.optim.Adam(autoencoder.parameters(), lr=1e-3)
        for _ in range(steps):
            batch = tokens[torch.randint(len(tokens), (1024,))]
            loss = (autoencoder(batch) - batch).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    found = ForegroundEstimator(autoencoder, (1, 1, 1), (1, 1, 1))
    inside, outside = found.errors(known), found.errors(background)
    found.known, found.background = _fit(inside), _fit(outside)
    a, b = found.weights(inside), found.weights(outside)
    higher = (a[:, None] > b).mean() + (a[:, None] == b).mean() / 2
    found.separation = round(float(higher), 4)
    return found


def _autoencoder(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width)
    )


def _fit(errors: np.ndarray) -> tuple[float, float, float]:
    """Exponentiated Weibull distribution that starts at 0."""
    from scipy.stats import exponweib

    some = errors[:: max(1, len(errors) // 5000)]
    a, c, _, scale = exponweib.fit(some, floc=0, scale=float(some.mean()))
    return float(a), float(c), float(scale)


def _density(
    errors: np.ndarray, found: tuple[float, float, float]
) -> np.ndarray:
    from scipy.stats import exponweib

    a, c, scale = found
    return np.nan_to_num(exponweib.pdf(errors, a, c, loc=0, scale=scale))
