"""The text embeddings of the classes in the place of a linear classifier."""

import torch
import torch.nn as nn
from mmdet.registry import MODELS
from torch import Tensor

from .fusion import unit

__all__ = ['FViTTextClassifier']


@MODELS.register_module()
class FViTTextClassifier(nn.Module):
    """``logit_c = tau_det * <e / |e|, t_c>`` over classes and background.

    Goes into ``cls_predictor_cfg`` of a box head, which passes the two sizes.
    The embeddings are no part of the checkpoint, so that any vocabulary can
    be set after loading (:meth:`FViT.set_vocabulary`).

    Args:
        in_features: C, width of the region embedding e.
        out_features: Number of outputs that the box head counts with. Only
            for its interface: the vocabulary decides.
        tau_det: Temperature (first value, where it is learned).
        learn_tau: Whether the temperature trains.
        test_tau: Temperature in eval mode instead of the learned one
            (transfer to other data sets fixes it at 50).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int | None = None,
        tau_det: float = 50.0,
        learn_tau: bool = True,
        test_tau: float | None = None,
    ) -> None:
        super().__init__()
        if tau_det <= 0 or (test_tau is not None and test_tau <= 0):
            raise ValueError(
                f'temperatures must be above 0, got tau_det={tau_det} and '
                f'test_tau={test_tau}.'
            )
        self.in_features = in_features
        self.tau_det = nn.Parameter(
            torch.tensor(float(tau_det)), requires_grad=learn_tau
        )
        self.test_tau = test_tau
        self.register_buffer(
            'embeddings', torch.empty(0, in_features), persistent=False
        )

    def set_embeddings(self, embeddings: Tensor) -> None:
        """Classify into other names.

        Args:
            embeddings: (K + 1, C) unit rows, background last.
        """
        if embeddings.ndim != 2 or embeddings.shape[1] != self.in_features:
            raise ValueError(
                f'class embeddings are {tuple(embeddings.shape)}, the box '
                f'head gives {self.in_features} dimensions. Set '
                'fc_out_channels of the box head to the dimension of the '
                'text tower that belongs to the backbone.'
            )
        self.embeddings = embeddings.detach().float()

    def forward(self, x: Tensor) -> Tensor:
        """(R, C) -> (R, K + 1) float32 logits."""
        if not len(self.embeddings):
            raise RuntimeError(
                'the detector has no class names yet: call '
                'FViT.set_vocabulary, or add dict(type='
                "'VocabularyHook') to custom_hooks to take those of the "
                'data set.'
            )
        tau = self.tau_det
        if not self.training and self.test_tau is not None:
            tau = self.test_tau
        # A product of 50 and a cosine has no place in half precision.
        with torch.autocast(x.device.type, enabled=False):
            return tau * (unit(x) @ self.embeddings.float().t())
