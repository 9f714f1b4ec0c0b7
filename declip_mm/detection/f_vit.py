"""F-ViT: a two-stage open-vocabulary detector on a frozen CLIP ViT."""

from collections.abc import Mapping, Sequence

from mmdet.models import TwoStageDetector
from mmdet.registry import MODELS
from torch import Tensor

from ..deprecation import renamed_arguments
from ..models.text.vocabulary import Vocabulary
from .frozen_clip import OnFrozenCLIP, unit_map

__all__ = ['FViT', 'FViTFeatures']


class FViTFeatures(tuple):
    """The feature pyramid, and CLIP's dense map beside it.

    Attributes:
        vlm: (B, C, h, w), unit length at every location.
    """

    vlm: Tensor

    @classmethod
    def join(cls, pyramid: Sequence[Tensor], vlm: Tensor) -> 'FViTFeatures':
        features = cls(pyramid)
        features.vlm = vlm
        return features


@MODELS.register_module()
class FViT(OnFrozenCLIP, TwoStageDetector):
    """F-ViT (CLIPSelf, Wu et al., ICLR 2024) on a :class:`DeCLIPViT`.

    The backbone is frozen and always in eval mode. Its maps feed adapters,
    FPN, RPN and box head, which train on base classes; its dense
    vision-language map scores regions at test time.

    A class of several texts has the mean of their embeddings. Which classes
    are base decides the exponent that fuses their scores; without that all
    count as base.

    Args:
        backbone: Config of a backbone with ``forward_dense``.
        embedder: Arguments of
            :class:`~declip_mm.models.text.embedder.TextEmbedder`.
        pixel_stats: Normalisation of pixels: ``'backbone'`` (what the
            backbone says), ``'imagenet'`` (what published F-ViT models use),
            ``'clip'``, or ``dict(mean=..., std=...)`` in 0 to 255. Others
            than the backbone's need ``foreign_pixels='why'`` in the
            preprocessor.
        data_preprocessor: Config of mmdet's preprocessor.
        Others: Of :class:`mmdet.models.TwoStageDetector`.
    """

    @renamed_arguments(vocabulary='embedder')
    def __init__(
        self,
        *,
        backbone: dict,
        embedder: dict,
        pixel_stats: str | Mapping = 'backbone',
        data_preprocessor: dict | None = None,
        **kwargs,
    ) -> None:
        super().__init__(backbone=backbone, **kwargs)
        self._stand_on_clip(
            embedder, 'background', pixel_stats, data_preprocessor
        )

    def _use_vocabulary(self, vocabulary: Vocabulary) -> None:
        self.embedder.check(self.backbone)  # its file is known by now
        device = next(self.parameters()).device
        self.roi_head.set_vocabulary(
            vocabulary, self.embedder.class_rows(vocabulary, device)
        )

    def extract_feat(self, batch_inputs: Tensor) -> tuple:
        """(B, 3, H, W) -> pyramid; in eval mode with CLIP's map beside it."""
        # mmcv's RoIAlign knows no bfloat16
        if self.training:  # which has no use for the dense map
            taps = self._taps(batch_inputs)
            return tuple(level.float() for level in self.neck(taps))
        dense = self._dense(batch_inputs)
        pyramid = tuple(level.float() for level in self.neck(dense.taps))
        return FViTFeatures.join(pyramid, unit_map(dense.content))
