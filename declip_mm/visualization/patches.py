"""Patches as pictures: correlations, anchors, clusters, principal colours."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
import torchvision.transforms.functional as TF
from PIL import Image
from torch import Tensor

__all__ = [
    'affinity_map',
    'choose_anchors',
    'cluster_patches',
    'patch_features',
    'patch_of',
    'patch_view',
    'principal_colours',
]


def patch_of(point: tuple[float, float], grid: tuple[int, int]) -> int:
    """Index of the patch token under a point.

    Args:
        point: (x, y) in [0, 1] of the picture that the grid covers.
        grid: (h, w).
    """
    x, y = point
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise ValueError(f'anchor point must lie in [0, 1], got {point}.')
    h, w = grid
    return min(int(y * h), h - 1) * w + min(int(x * w), w - 1)


def affinity_map(
    context: Sequence[Tensor],
    grid: tuple[int, int],
    point: tuple[float, float],
) -> Tensor:
    """Cosine of one patch with all patches, the row the context loss sees.

    Args:
        context: Tensors (N, D) of one image; their cosines are averaged.
        grid: (h, w) with h * w = N.
        point: (x, y) of the anchor in [0, 1].

    Returns:
        (h, w) in [-1, 1].
    """
    anchor = patch_of(point, grid)
    rows = []
    for tokens in context:
        unit = F.normalize(tokens.float(), dim=-1)
        rows.append(unit @ unit[anchor])
    return torch.stack(rows).mean(dim=0).reshape(grid)


def patch_view(
    image: Image.Image,
    size: int,
    patch: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> Tensor:
    """A picture as a backbone takes it, whole and without padding.

    Args:
        image: RGB picture.
        size: Wanted longest side; both sides become multiples of ``patch``,
            so that the proportions change by less than half a patch.
        patch: Patch side in pixels.
        mean, std: Of RGB in 0 to 1.

    Returns:
        (1, 3, H, W) float32, normalised.
    """
    scale = size / max(image.size)
    width, height = (
        max(1, round(side * scale / patch)) * patch for side in image.size
    )
    small = image.resize((width, height), Image.Resampling.BICUBIC)
    return TF.normalize(TF.to_tensor(small), list(mean), list(std))[None]


def patch_features(context: Sequence[Tensor]) -> Tensor:
    """Unit vectors whose inner products are the correlations.

    Args:
        context: Tensors (N, D_i) of one picture.

    Returns:
        (N, sum of D_i): the inner product of two rows is the mean over the
        tensors of the cosine of their rows.
    """
    units = [F.normalize(tokens.float(), dim=-1) for tokens in context]
    return torch.cat(units, dim=-1) / len(units) ** 0.5


def cluster_patches(features: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """k-means of unit vectors (k-means++, best of eight starts).

    The starts are drawn with a seed of their own, so that every call gives
    the same; clusters are numbered by size.

    Args:
        features: (N, D) unit rows.
        count: Number of clusters, at most N.

    Returns:
        (N,) cluster of each patch, and (count, D) unit centres.
    """
    count = min(count, len(features))
    generator = torch.Generator().manual_seed(0)
    starts = (_k_means(features, count, generator) for _ in range(8))
    _, labels, centres = max(starts, key=lambda found: found[0])
    sizes = torch.bincount(labels, minlength=count)
    order = sizes.argsort(descending=True, stable=True)
    return order.argsort()[labels], centres[order]


def _k_means(
    features: Tensor, count: int, generator: torch.Generator
) -> tuple[float, Tensor, Tensor]:
    """Mean cosine with the own centre, labels, centres of one start."""
    chosen = torch.randint(len(features), (1,), generator=generator)
    while len(chosen) < count:
        nearest = (features @ features[chosen].T).amax(dim=1)
        distance = (1 - nearest).clamp(min=0) + 1e-9
        drawn = torch.multinomial(distance, 1, generator=generator)
        chosen = torch.cat((chosen, drawn))
    centres = features[chosen]
    for _ in range(25):
        labels = (features @ centres.T).argmax(dim=1)
        members = F.one_hot(labels, count).to(features)
        means = F.normalize(members.T @ features, dim=-1)
        empty = members.sum(dim=0) == 0
        centres = torch.where(empty[:, None], centres, means)
    fit, labels = (features @ centres.T).max(dim=1)
    return float(fit.mean()), labels, centres


def choose_anchors(
    features: Tensor, grid: tuple[int, int], count: int
) -> list[tuple[float, float]]:
    """Points worth looking at, without a click: one in each cluster.

    Args:
        features: (N, D) unit rows of the backbone that is to choose.
        grid: (h, w) with h * w = N.
        count: Number of anchors.

    Returns:
        (x, y) in [0, 1] each: the middle of the patch most like its cluster
        among those whose four neighbours belong to it as well, or, where the
        cluster is thinner than that, among all of its patches.
    """
    labels, centres = cluster_patches(features, count)
    h, w = grid
    board = F.pad(labels.reshape(h, w), (1, 1, 1, 1), value=-1)
    inside = torch.ones(h, w, dtype=torch.bool)
    for y, x in ((0, 1), (2, 1), (1, 0), (1, 2)):
        inside &= board[y : y + h, x : x + w] == labels.reshape(h, w)
    inside = inside.flatten()
    points = []
    for index, centre in enumerate(centres):
        own = labels == index
        own = own & inside if bool((own & inside).any()) else own
        if not bool(own.any()):
            continue
        likeness = (features @ centre).masked_fill(~own, -2)
        row, column = divmod(int(likeness.argmax()), w)
        points.append(((column + 0.5) / w, (row + 0.5) / h))
    return points


def principal_colours(features: Tensor, grid: tuple[int, int]) -> np.ndarray:
    """The three strongest directions of the features as red, green, blue.

    Each direction is turned so that its largest part is positive, and
    stretched from the 2nd to the 98th percentile.

    Args:
        features: (N, D), N and D of 3 or more.
        grid: (h, w) with h * w = N.

    Returns:
        (h, w, 3) in [0, 1].
    """
    centred = (features - features.mean(dim=0)).double()
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    parts = centred @ directions[:3].T  # (N, 3)
    peak = parts.abs().argmax(dim=0, keepdim=True)
    parts = parts * parts.gather(0, peak).sign()
    low = parts.quantile(0.02, dim=0)
    high = parts.quantile(0.98, dim=0)
    colours = (parts - low) / (high - low).clamp(min=1e-9)
    return colours.clamp(0, 1).reshape(*grid, 3).numpy()
