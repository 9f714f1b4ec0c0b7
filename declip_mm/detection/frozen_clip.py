"""What every detector does that stands on a frozen CLIP."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn as nn
from mmdet.registry import MODELS
from torch import Tensor

from ..models.pixels import CLIP, IMAGENET, complete_pixels
from ..models.text.embedder import TextEmbedder
from ..models.text.open_vocabulary import OpenVocabulary
from .fusion import unit

__all__ = ['FrozenBackbone', 'OnFrozenCLIP', 'unit_map']

PIXEL_STATS = dict(imagenet=IMAGENET, clip=CLIP)


class FrozenBackbone:
    """Mixin, goes before mmdet's detector.

    The backbone trains nothing and is always in eval mode.
    """

    #: What the dense map is for, in messages.
    dense_map_use = "scores regions with CLIP's dense map"

    backbone: Any
    data_preprocessor: nn.Module

    def _freeze(
        self, pixel_stats: str | Mapping, data_preprocessor: dict | None
    ) -> None:
        """Freeze the backbone and take its pixels.

        Args:
            pixel_stats: See the detectors.
            data_preprocessor: Config of mmdet's preprocessor.
        """
        self._check_backbone()
        self.backbone.requires_grad_(False).eval()
        preprocessor = dict(data_preprocessor or {})
        preprocessor.setdefault('type', 'DetDataPreprocessor')
        preprocessor.update(_statistics(pixel_stats, preprocessor))
        self.data_preprocessor = MODELS.build(
            complete_pixels(preprocessor, self.backbone, MODELS)
        )

    def _check_backbone(self) -> None:
        """Refuse one without a dense map."""
        if not hasattr(self.backbone, 'forward_dense'):
            raise TypeError(
                f'{type(self.backbone).__name__} has no forward_dense; '
                f'{type(self).__name__} {self.dense_map_use}. Use DeCLIPViT.'
            )

    def train(self, mode: bool = True) -> 'FrozenBackbone':
        super().train(mode)  # type: ignore[misc]
        self.backbone.eval()
        return self

    def _dense(self, images: Tensor) -> Any:
        """(B, 3, H, W) -> the backbone's dense features, without gradient."""
        with torch.no_grad():
            return self.backbone.forward_dense(
                images, self.backbone.out_indices
            )

    def _taps(self, images: Tensor) -> tuple[Tensor, ...]:
        """The maps of its ``out_indices`` alone."""
        with torch.no_grad():
            return self.backbone(images)


class OnFrozenCLIP(FrozenBackbone, OpenVocabulary):
    """Mixin of detectors that name things by a frozen CLIP."""

    trains_on_names = True

    def _stand_on_clip(
        self,
        embedder: dict,
        background: str,
        pixel_stats: str | Mapping,
        data_preprocessor: dict | None,
    ) -> None:
        """Freeze the backbone; take its pixels and the text side.

        Args:
            embedder: Arguments of
                :class:`~declip_mm.models.text.embedder.TextEmbedder`.
            background: Phrase of its one row more, unless it has another.
            pixel_stats, data_preprocessor: See :meth:`_freeze`.
        """
        self._freeze(pixel_stats, data_preprocessor)
        self.embedder = TextEmbedder(**{'background': background, **embedder})
        self.embedder.check(self.backbone)

    @property
    def names(self) -> list[str]:
        """K class names; labels are positions in this list."""
        return list(self.vocabulary.classes) if self.vocabulary else []


def unit_map(content: Tensor) -> Tensor:
    """(B, C, h, w) -> float32, of unit length at every location."""
    return unit(content.movedim(1, -1)).movedim(-1, 1)


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
