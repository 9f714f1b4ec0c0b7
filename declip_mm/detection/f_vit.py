"""F-ViT: a two-stage open-vocabulary detector on a frozen CLIP ViT."""

from collections.abc import Mapping, Sequence

import torch
from mmdet.models import TwoStageDetector
from mmdet.registry import MODELS
from torch import Tensor

from ..deprecation import renamed_arguments
from ..models.pixels import CLIP, IMAGENET, complete_pixels
from ..models.text.embedder import TextEmbedder
from ..models.text.open_vocabulary import OpenVocabulary
from ..models.text.vocabulary import Vocabulary
from .fusion import unit

__all__ = ['FViT', 'FViTFeatures']

PIXEL_STATS = dict(imagenet=IMAGENET, clip=CLIP)


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
class FViT(OpenVocabulary, TwoStageDetector):
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

    trains_on_names = True

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
        if not hasattr(self.backbone, 'forward_dense'):
            raise TypeError(
                f'{type(self.backbone).__name__} has no forward_dense; F-ViT '
                "scores regions with CLIP's dense map. Use DeCLIPViT."
            )
        self.backbone.requires_grad_(False).eval()
        preprocessor = dict(data_preprocessor or {})
        preprocessor.setdefault('type', 'DetDataPreprocessor')
        preprocessor.update(_statistics(pixel_stats, preprocessor))
        self.data_preprocessor = MODELS.build(
            complete_pixels(preprocessor, self.backbone, MODELS)
        )
        self.embedder = TextEmbedder(
            **{'background': 'background', **embedder}
        )
        self.embedder.check(self.backbone)

    @property
    def names(self) -> list[str]:
        """K class names; labels are positions in this list."""
        return list(self.vocabulary.classes) if self.vocabulary else []

    def _use_vocabulary(self, vocabulary: Vocabulary) -> None:
        self.embedder.check(self.backbone)  # its file is known by now
        device = next(self.parameters()).device
        self.roi_head.set_vocabulary(
            vocabulary, self.embedder.class_rows(vocabulary, device)
        )

    def train(self, mode: bool = True) -> 'FViT':
        super().train(mode)
        self.backbone.eval()
        return self

    def extract_feat(self, batch_inputs: Tensor) -> tuple:
        """(B, 3, H, W) -> pyramid; in eval mode with CLIP's map beside it."""
        if self.training:  # which has no use for the dense map
            with torch.no_grad():
                taps = self.backbone(batch_inputs)
            return self._pyramid(taps)
        with torch.no_grad():
            dense = self.backbone.forward_dense(
                batch_inputs, self.backbone.out_indices
            )
        # (B, C, h, w), unit length over C
        vlm = unit(dense.content.movedim(1, -1)).movedim(-1, 1)
        return FViTFeatures.join(self._pyramid(dense.taps), vlm)

    def _pyramid(self, taps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        # mmcv's RoIAlign knows no bfloat16
        return tuple(level.float() for level in self.neck(taps))


def _statistics(pixel_stats: str | Mapping, beside: Mapping) -> dict:
    """``mean`` and ``std`` in 0 to 255; nothing for the backbone's own."""
    if pixel_stats == 'backbone':
        return {}
    given = [name for name in ('mean', 'std') if beside.get(name) is not None]
    if given:
        raise ValueError(
            f'pixel_stats={pixel_stats!r} and data_preprocessor.{given[0]} '
            'are both given; only one of them can normalise. Leave one out.'
        )
    if isinstance(pixel_stats, Mapping):
        return dict(mean=pixel_stats['mean'], std=pixel_stats['std'])
    if pixel_stats not in PIXEL_STATS:
        raise ValueError(
            f'unknown pixel_stats {pixel_stats!r}; allowed: backbone, '
            f'{", ".join(PIXEL_STATS)}, or dict(mean=..., std=...) in 0 to '
            '255.'
        )
    mean, std = PIXEL_STATS[pixel_stats]
    return dict(mean=mean, std=std)
