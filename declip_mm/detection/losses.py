"""Softmax over base classes and background."""

from collections.abc import Sequence

import torch
from mmdet.models import CrossEntropyLoss
from mmdet.registry import MODELS
from torch import Tensor

__all__ = ['FViTClassificationLoss']


@MODELS.register_module()
class FViTClassificationLoss(CrossEntropyLoss):
    """Weighted cross entropy; novel classes are out of the softmax.

    ``L = sum_i w_{y_i} CE(softmax over {c: w_c > 0}, y_i) / N`` with weight 1
    for base classes, 0 for novel ones and ``background_weight`` (F-ViT in
    CLIPSelf, Wu et al., ICLR 2024). In eval mode the box head's scores come
    in as logarithms, fused with CLIP's.

    Args:
        background_weight: 0.6 on OV-COCO, 0.9 on OV-LVIS.
        loss_weight: Of the whole loss.
    """

    #: Tells mmdet's box head to ask this loss for outputs and activation.
    custom_cls_channels = True

    def __init__(
        self, background_weight: float = 1.0, loss_weight: float = 1.0
    ) -> None:
        if background_weight <= 0:
            raise ValueError(
                'background_weight must be above 0, got '
                f'{background_weight}: regions without an object would have '
                'no class.'
            )
        super().__init__(loss_weight=loss_weight)
        self.background_weight = background_weight
        self.names: list[str] = []

    def set_vocabulary(
        self, names: Sequence[str], is_base: Sequence[bool]
    ) -> None:
        """Take the classes; only base classes take part in training."""
        self.names = list(names)
        self.class_weight = [float(b) for b in is_base]
        self.class_weight.append(self.background_weight)

    def get_cls_channels(self, num_classes: int) -> int:
        return num_classes + 1

    def get_activation(self, log_scores: Tensor) -> Tensor:
        return log_scores.exp()

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
        **kwargs,
    ) -> Tensor:
        """Cross entropy.

        Args:
            cls_score: (R, K + 1) logits, background last.
            label: (R,) with K for background.
            weight: (R,) or None.
            avg_factor: Number of sampled regions.

        Raises:
            ValueError: A region is labelled with a novel class.
        """
        class_weight = cls_score.new_tensor(self.class_weight)
        banned = class_weight <= 0
        wrong = label[banned[label]]
        if len(wrong):  # its logit is -inf, and 0 * inf is NaN
            names = sorted({self.names[i] for i in wrong.tolist()})
            raise ValueError(
                f'{len(wrong)} regions are labelled {names}, which are novel '
                'classes: they must not have annotations in training. Use '
                'OpenVocabDetDataset with the same base classes.'
            )
        logits = cls_score.float().masked_fill(banned, -torch.inf)
        return super().forward(
            logits, label, weight, avg_factor, reduction_override, **kwargs
        )
