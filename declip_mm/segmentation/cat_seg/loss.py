"""CAT-Seg's loss: one sigmoid a class, without a one-hot tensor.

B images, T classes, h w logits, H W labels.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor
from torch.utils.checkpoint import checkpoint

__all__ = ['OVBCELoss', 'dense_bce']


def _chunk_sum(
    logits: Tensor, labels: Tensor, counted: Tensor, first: int
) -> Tensor:
    """Sum of the loss of classes ``first``...; at the size of the labels."""
    logits = F.interpolate(
        logits, size=labels.shape[-2:], mode='bilinear', align_corners=False
    ).float()
    # BCE(x, 1) = BCE(x, 0) - x: softplus everywhere, less the right logits.
    total = (F.softplus(logits) * counted[:, None]).sum()
    own = (labels >= first) & (labels < first + logits.shape[1])
    index = (labels - first).clamp(0, logits.shape[1] - 1)
    right = logits.gather(1, index[:, None])[:, 0]
    return total - (right * own).sum()


def dense_bce(
    logits: Tensor,
    labels: Tensor,
    ignore_index: int = 255,
    ignore_as_negative: bool = True,
    class_chunk: int | None = None,
) -> Tensor:
    """Mean binary cross entropy of every class at every pixel.

    Equal to the loss against an explicit one-hot target, of which it needs
    no copy. Logits are upsampled to the labels first.

    Args:
        logits: (B, T, h, w).
        labels: (B, H, W) integers in [0, T) or ``ignore_index``.
        ignore_index: Label of pixels without a class.
        ignore_as_negative: True (CAT-Seg): such pixels are negative for every
            class and count in the mean. False: they count nowhere.
        class_chunk: Classes upsampled at a time, the rest recomputed in the
            backward pass; None takes all at once.

    Returns:
        Scalar.
    """
    labels = labels.long()
    ignored = labels == ignore_index
    labels = labels.masked_fill(ignored, -1)
    if ignore_as_negative:
        counted = torch.ones_like(labels, dtype=torch.float32)
    else:
        counted = (~ignored).float()
    total = logits.new_zeros((), dtype=torch.float32)
    size = class_chunk or logits.shape[1]
    for first in range(0, logits.shape[1], size):
        part = logits[:, first : first + size]
        arguments = (part, labels, counted, first)
        if size < logits.shape[1]:
            total = total + checkpoint(
                _chunk_sum, *arguments, use_reentrant=False
            )
        else:
            total = total + _chunk_sum(*arguments)
    return total / (counted.sum() * logits.shape[1]).clamp(min=1)


@MODELS.register_module()
class OVBCELoss(nn.Module):
    """:func:`dense_bce` as a configurable loss.

    Args:
        ignore_as_negative: See :func:`dense_bce`.
        class_chunk: See :func:`dense_bce`.
        loss_weight: Factor.
    """

    def __init__(
        self,
        ignore_as_negative: bool = True,
        class_chunk: int | None = None,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.ignore_as_negative = ignore_as_negative
        self.class_chunk, self.loss_weight = class_chunk, loss_weight

    def forward(
        self, logits: Tensor, labels: Tensor, ignore_index: int = 255
    ) -> Tensor:
        """(B, T, h, w) and (B, H, W) -> scalar."""
        wrong = (labels != ignore_index) & (
            (labels < 0) | (labels >= logits.shape[1])
        )
        if bool(wrong.any()):
            raise ValueError(
                f'labels {labels[wrong].unique()[:8].tolist()} are none of '
                f'the {logits.shape[1]} classes nor ignore_index='
                f'{ignore_index}: the data set and the vocabulary of the '
                'model do not belong together.'
            )
        loss = dense_bce(
            logits,
            labels,
            ignore_index,
            self.ignore_as_negative,
            self.class_chunk,
        )
        return self.loss_weight * loss
