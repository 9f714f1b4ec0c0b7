"""A detector of any object, trained on the objects of base classes."""

from collections.abc import Mapping
from typing import Any

import torch
from mmdet.models import TwoStageDetector
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from torch import Tensor

from ..frozen_clip import FrozenBackbone

__all__ = ['ObjectProposer']


@MODELS.register_module()
class ObjectProposer(FrozenBackbone, TwoStageDetector):
    """OLN (Kim et al., RA-L 2022) on a frozen :class:`DeCLIPViT`.

    It never learns that a region is *no* object: both stages learn from
    regions on objects alone, how well a box fits. So objects without
    annotations are not pushed down, which they are in an RPN.

    Args:
        backbone: Config of a backbone with ``forward_dense``; frozen.
        neck: Config of a neck that takes the backbone's taps.
        rpn_head: Config, such as :class:`LocalisationRPNHead`.
        roi_head: Config, such as :class:`LocalisationRoIHead`.
        pixel_stats: See :class:`~declip_mm.detection.FViT`.
        data_preprocessor: Config of mmdet's preprocessor.
        Others: Of :class:`mmdet.models.TwoStageDetector`.
    """

    dense_map_use = 'makes foreground weights of the dense map'

    def __init__(
        self,
        *,
        backbone: dict,
        pixel_stats: str | Mapping = 'backbone',
        data_preprocessor: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(backbone=backbone, **kwargs)
        self._freeze(pixel_stats, data_preprocessor)

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> pyramid, float32."""
        pyramid = self.neck(self._dense(batch_inputs).taps)
        # mmcv's RoIAlign knows no bfloat16
        return tuple(level.float() for level in pyramid)

    def dense_map(self, batch_inputs: Tensor) -> Tensor:
        """(B, 3, H, W) -> CLIP's dense map (B, C, h, w), float32."""
        return self._dense(batch_inputs).content.float()

    def loss(
        self, batch_inputs: Tensor, batch_data_samples: SampleList
    ) -> dict:
        """See :class:`mmdet.models.TwoStageDetector`; one class: object."""
        for sample in batch_data_samples:
            labels = sample.gt_instances.labels
            sample.gt_instances.labels = torch.zeros_like(labels)
        return super().loss(batch_inputs, batch_data_samples)
