"""RoI head that classifies with the detector and with CLIP.

R regions, K classes, C joint dimension; the background is class K.
"""

from collections.abc import Sequence

import torch
from mmdet.models import StandardRoIHead
from mmdet.registry import MODELS
from torch import Tensor

from ..models.text.vocabulary import Vocabulary
from .fusion import fuse_scores, unit

__all__ = ['FViTRoIHead']


@MODELS.register_module()
class FViTRoIHead(StandardRoIHead):
    """F-ViT's RoI head: scores of two classifiers, fused at test time.

    CLIP's score of a region is the cosine of its RoIAligned (1x1) dense
    features, at the box of the RPN before regression, with the class
    embeddings.

    Args:
        vlm_roi_extractor: Config of the extractor for CLIP's map.
        fusion_alpha: CLIP's exponent for base classes and background.
        fusion_beta: CLIP's exponent for novel classes.
        tau_vlm: Temperature of CLIP's scores.
        Others: Of :class:`mmdet.models.StandardRoIHead`.
    """

    def __init__(
        self,
        *args,
        vlm_roi_extractor: dict,
        fusion_alpha: float,
        fusion_beta: float,
        tau_vlm: float,
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.vlm_roi_extractor = MODELS.build(vlm_roi_extractor)
        self.set_fusion(fusion_alpha, fusion_beta, tau_vlm)
        self.register_buffer(
            'is_base', torch.empty(0, dtype=torch.bool), persistent=False
        )

    def set_fusion(
        self, fusion_alpha: float, fusion_beta: float, tau_vlm: float
    ) -> None:
        """Change how scores are fused; takes effect at once."""
        for name, value in (('alpha', fusion_alpha), ('beta', fusion_beta)):
            if not 0 <= value <= 1:
                raise ValueError(
                    f'fusion_{name} must lie in [0, 1], got {value}.'
                )
        if tau_vlm <= 0:
            raise ValueError(f'tau_vlm must be above 0, got {tau_vlm}.')
        self.fusion_alpha, self.fusion_beta = fusion_alpha, fusion_beta
        self.tau_vlm = tau_vlm

    def set_vocabulary(
        self, vocabulary: Vocabulary, embeddings: Tensor
    ) -> None:
        """Detect other classes from now on.

        Args:
            vocabulary: K classes, some of them base.
            embeddings: (K + 1, C), background last.
        """
        names, is_base = vocabulary.classes, vocabulary.is_base
        head = self.bbox_head
        head.fc_cls.set_embeddings(embeddings)  # or refuse, unchanged
        head.num_classes = len(names)
        head.loss_cls.set_vocabulary(names, is_base)
        self.is_base = torch.tensor(
            [*is_base, True], dtype=torch.bool, device=embeddings.device
        )

    def fusion_weight(self) -> Tensor:
        """(K + 1,): CLIP's exponent in every class."""
        weight = self.is_base.new_full(
            self.is_base.shape, self.fusion_beta, dtype=torch.float32
        )
        return weight.masked_fill(self.is_base, self.fusion_alpha)

    def vlm_cosines(self, vlm_map: Tensor, rois: Tensor) -> Tensor:
        """Cosines of regions with the class embeddings.

        Args:
            vlm_map: (B, C, h, w), unit length at every location.
            rois: (R, 5) of batch index and box.

        Returns:
            (R, K + 1) float32.
        """
        regions = self.vlm_roi_extractor((vlm_map.float(),), rois).flatten(1)
        embeddings = self.bbox_head.fc_cls.embeddings.float()
        with torch.autocast(regions.device.type, enabled=False):
            return unit(regions) @ embeddings.t()

    def _bbox_forward(self, x: Sequence[Tensor], rois: Tensor) -> dict:
        """Training: logits of the detector. Else: log of fused scores."""
        results = super()._bbox_forward(x, rois)
        results['bbox_pred'] = results['bbox_pred'].float()
        if self.training:
            return results
        cosines = self.vlm_cosines(x.vlm, rois)
        results['cls_score'] = fuse_scores(
            results['cls_score'], self.tau_vlm * cosines, self.fusion_weight()
        )
        return results
