"""A detector of any object, trained on the objects of base classes."""

from typing import Any

import torch
from mmdet.models import TwoStageDetector
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from torch import Tensor

from ...models.pixels import complete_pixels

__all__ = ['ObjectProposer']


@MODELS.register_module()
class ObjectProposer(TwoStageDetector):
    """OLN (Kim et al., RA-L 2022) on a frozen :class:`DeCLIPViT`.

    It never learns that a region is *no* object: both stages learn from
    regions on objects alone, how well a box fits. So objects without
    annotations are not pushed down, which they are in an RPN.

    Args:
        backbone: Config of a backbone with ``forward_dense``; frozen.
        neck: Config of a neck that takes the backbone's taps.
        rpn_head: Config, such as :class:`LocalisationRPNHead`.
        roi_head: Config, such as :class:`LocalisationRoIHead`.
        data_preprocessor: Config of mmdet's preprocessor; pixels are
            normalised as the backbone says.
        Others: Of :class:`mmdet.models.TwoStageDetector`.
    """

    def __init__(
        self,
        *,
        backbone: dict,
        data_preprocessor: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(backbone=backbone, **kwargs)
        if not hasattr(self.backbone, 'forward_dense'):
            raise TypeError(
                f'{type(self.backbone).__name__} has no forward_dense; '
                'foreground weights are made of its dense map. Use '
                'DeCLIPViT.'
            )
        self.backbone.requires_grad_(False).eval()
        preprocessor = dict(data_preprocessor or {})
        preprocessor.setdefault('type', 'DetDataPreprocessor')
        self.data_preprocessor = MODELS.build(
            complete_pixels(preprocessor, self.backbone, MODELS)
        )

    def train(self, mode: bool = True) -> 'ObjectProposer':
        super().train(mode)
        self.backbone.eval()
        return self

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> pyramid, float32."""
        with torch.no_grad():
            dense = self.backbone.forward_dense(
                batch_inputs, self.backbone.out_indices
            )
        # mmcv's RoIAlign knows no bfloat16
        return tuple(level.float() for level in self.neck(dense.taps))

    @torch.no_grad()
    def dense_map(self, batch_inputs: Tensor) -> Tensor:
        """(B, 3, H, W) -> CLIP's dense map (B, C, h, w), float32."""
        return self.backbone.forward_dense(batch_inputs).content.float()

    def loss(
        self, batch_inputs: Tensor, batch_data_samples: SampleList
    ) -> dict:
        """See :class:`mmdet.models.TwoStageDetector`; one class: object."""
        for sample in batch_data_samples:
            labels = sample.gt_instances.labels
            sample.gt_instances.labels = torch.zeros_like(labels)
        return super().loss(batch_inputs, batch_data_samples)
