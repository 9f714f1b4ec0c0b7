"""What the content branch may be trained with: cosine, nouns, captions.

K regions of the rank, G of all ranks, C joint dimension, n names.
"""

from typing import NamedTuple

import torch
import torch.distributed.nn.functional as dist_nn
import torch.nn as nn
import torch.nn.functional as F
from mmengine import dist
from mmengine.registry import MODELS
from torch import Tensor

from .losses import content_loss, in_float32, mean_over

__all__ = [
    'NounTargets',
    'RegionContrastLoss',
    'RegionCosineLoss',
    'RegionNounLoss',
]

#: Number of regions that a sum over the rank's regions is divided by.
Count = float | Tensor


class NounTargets(NamedTuple):
    """Which of some names a region has.

    Attributes:
        matrix: (n, C) unit embeddings of the names at hand.
        labels: (K,) row of each region's name.
    """

    matrix: Tensor
    labels: Tensor


@MODELS.register_module()
class RegionCosineLoss(nn.Module):
    """DeCLIP's and CLIPSelf's: one minus the cosine with the crop (eq. 7)."""

    def forward(
        self, regions: Tensor, targets: Tensor, count: Count
    ) -> Tensor:
        """(K, C), (K, C) -> scalar."""
        return content_loss(regions, targets, count)


@MODELS.register_module()
class RegionNounLoss(nn.Module):
    """RegionCLIP's pseudo-labels (Zhong et al., CVPR 2022), federated.

    Binary cross-entropy of every region with every name at hand, summed over
    the names and averaged over the regions.

    Args:
        logit_scale: Factor of the cosines; CLIP's trained scale ends at 100.
    """

    def __init__(self, logit_scale: float = 100.0) -> None:
        super().__init__()
        self.logit_scale = _positive(logit_scale)

    @in_float32
    def forward(
        self, regions: Tensor, targets: NounTargets, count: Count
    ) -> Tensor:
        """(K, C) -> scalar; zero where no rank has a region."""
        unit = F.normalize(regions.float(), dim=-1)
        logits = self.logit_scale * unit @ targets.matrix.float().t()
        wanted = F.one_hot(targets.labels, len(targets.matrix)).float()
        total = F.binary_cross_entropy_with_logits(
            logits, wanted, reduction='sum'
        )
        return mean_over(total, count)


@MODELS.register_module()
class RegionContrastLoss(nn.Module):
    """CLIM's: regions and captions of the whole batch against each other.

    CLIP's symmetric cross-entropy (Radford et al., 2021). Regions of other
    ranks are gathered with their gradients.

    Args:
        logit_scale: As in :class:`RegionNounLoss`.
    """

    def __init__(self, logit_scale: float = 100.0) -> None:
        super().__init__()
        self.logit_scale = _positive(logit_scale)

    @in_float32
    def forward(
        self, regions: Tensor, targets: Tensor, count: Count
    ) -> Tensor:
        """(K, C) of regions, (K, C) of their captions -> scalar."""
        if len(regions) != len(targets):
            raise ValueError(
                f'{len(regions)} regions for {len(targets)} captions; every '
                'region needs one.'
            )
        regions = F.normalize(regions.float(), dim=-1)
        targets = F.normalize(targets.float(), dim=-1)
        all_regions, start = _gather(regions)
        all_targets, _ = _gather(targets)
        own = torch.arange(len(regions), device=regions.device) + start
        total = regions.new_zeros(())
        for ours, theirs in ((regions, all_targets), (targets, all_regions)):
            logits = self.logit_scale * ours @ theirs.t()
            total = total + F.cross_entropy(logits, own, reduction='sum')
        return mean_over(total, 2 * count)


def _gather(features: Tensor) -> tuple:
    """(K, C) -> (G, C) with gradients, and where this rank's begin."""
    if dist.get_world_size() == 1:
        return features, 0
    length = torch.tensor([len(features)], device=features.device)
    lengths = [int(n) for n in dist.all_gather(length)]
    # Ranks have different numbers of regions: the shorter ones are padded.
    padded = F.pad(features, (0, 0, 0, max(lengths) - len(features)))
    parts = dist_nn.all_gather(padded)
    everyone = torch.cat([p[:n] for p, n in zip(parts, lengths)])
    return everyone, sum(lengths[: dist.get_rank()])


def _positive(scale: float) -> float:
    if not 0 < scale < float('inf'):
        raise ValueError(
            f'logit_scale must be positive and finite, got {scale!r}. CLIP '
            'models were trained to about 100.'
        )
    return float(scale)
