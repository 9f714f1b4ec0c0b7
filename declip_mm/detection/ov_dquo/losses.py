"""Losses of OV-DQUO (Wang et al., AAAI 2025); all sums over ``avg_factor``.

M pairs of query and object.
"""

import torch.nn as nn
import torch.nn.functional as F
from mmdet.registry import MODELS
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

__all__ = [
    'OVDQUODenoisingLoss',
    'OVDQUOGIoULoss',
    'OVDQUOQualityLoss',
]

Factor = Tensor | float


@MODELS.register_module()
class OVDQUOQualityLoss(nn.Module):
    """The logit of a query says how well its box fits an object.

    ``sum_i u_i BCE(x_i, q_i)`` with q the IoU of a matched query and 0 of
    others; u is q w^p of a matched query, w the object's weight, and ``alpha
    sigmoid(x)^gamma`` of others (after VarifocalNet, Zhang et al., CVPR
    2021).

    Args:
        alpha, gamma: See above.
        weight_power: p, softens weights of pseudo objects.
        loss_weight: Of the whole loss.
    """

    #: mmdet's head asks how many outputs a class has.
    use_sigmoid = True

    def __init__(
        self,
        alpha: float = 0.75,
        gamma: float = 2.0,
        weight_power: float = 0.5,
        loss_weight: float = 2.0,
    ) -> None:
        super().__init__()
        self.alpha, self.gamma = alpha, gamma
        self.weight_power, self.loss_weight = weight_power, loss_weight

    def forward(
        self,
        logits: Tensor,
        matched: tuple[Tensor, ...],
        quality: Tensor,
        weights: Tensor,
        avg_factor: Factor,
    ) -> Tensor:
        """The loss of one layer.

        Args:
            logits: (B, N).
            matched: Index of the M matched queries in it.
            quality: (M,) IoU with their objects; a constant.
            weights: (M,) of the objects, 1 for annotated ones.
            avg_factor: Number of objects.
        """
        target = logits.new_zeros(logits.shape)
        target[matched] = quality.to(target)
        each = self.alpha * logits.detach().sigmoid() ** self.gamma
        each[matched] = (quality * weights**self.weight_power).to(each)
        loss = F.binary_cross_entropy_with_logits(
            logits, target, each, reduction='sum'
        )
        return self.loss_weight * loss / avg_factor


@MODELS.register_module()
class OVDQUOGIoULoss(nn.Module):
    """``sum (1 - GIoU)``, as :func:`overlap` has it.

    Args:
        loss_weight: Of the loss.
    """

    def __init__(self, loss_weight: float = 2.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, giou: Tensor, avg_factor: Factor) -> Tensor:
        """(M,) generalised IoU -> the loss."""
        return self.loss_weight * (1 - giou).sum() / avg_factor


@MODELS.register_module()
class OVDQUODenoisingLoss(nn.Module):
    """Focal loss of denoising queries; padding counts as negative.

    Args:
        alpha, gamma: Of the focal loss.
        weight_power: Softens weights of pseudo objects.
        loss_weight: Of the loss.
    """

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        weight_power: float = 0.5,
        loss_weight: float = 2.0,
    ) -> None:
        super().__init__()
        self.alpha, self.gamma = alpha, gamma
        self.weight_power, self.loss_weight = weight_power, loss_weight

    def forward(
        self,
        logits: Tensor,
        positive: tuple[Tensor, ...],
        weights: Tensor,
        avg_factor: Factor,
    ) -> Tensor:
        """The loss of one layer.

        Args:
            logits: (B, P).
            positive: Index of the M positive queries in it.
            weights: (M,) of their objects.
            avg_factor: Number of objects times groups.
        """
        target, each = logits.new_zeros(logits.shape), logits.new_ones(())
        each = each.expand(logits.shape).clone()
        target[positive] = 1.0
        each[positive] = (weights**self.weight_power).to(each)
        loss = sigmoid_focal_loss(logits, target, self.alpha, self.gamma)
        return self.loss_weight * (loss * each).sum() / avg_factor
