"""F-ViT: a two-stage open-vocabulary detector on a frozen CLIP ViT."""

from collections.abc import Mapping, Sequence

import torch
from mmdet.models import TwoStageDetector
from mmdet.registry import MODELS
from torch import Tensor

from ..models.pixels import CLIP, IMAGENET, complete_pixels
from ..models.text import class_phrases, parse_names, tidy
from ..models.text.names import Names, Phrases
from .fusion import unit
from .vocabulary import DetectorVocabulary

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
class FViT(TwoStageDetector):
    """F-ViT (CLIPSelf, Wu et al., ICLR 2024) on a :class:`DeCLIPViT`.

    The backbone is frozen and always in eval mode. Its maps feed adapters,
    FPN, RPN and box head, which train on base classes; its dense
    vision-language map scores regions at test time.

    Class names are no part of the model: :meth:`set_vocabulary` sets them at
    any time; in a run :class:`DetVocabularyHook` does.

    Args:
        backbone: Config of a backbone with ``forward_dense``.
        vocabulary: Arguments of :class:`DetectorVocabulary`.
        pixel_stats: Normalisation of pixels: ``'backbone'`` (what the
            backbone says), ``'imagenet'`` (what published F-ViT models use),
            ``'clip'``, or ``dict(mean=..., std=...)`` in 0 to 255. Others
            than the backbone's need ``foreign_pixels='why'`` in the
            preprocessor.
        data_preprocessor: Config of mmdet's preprocessor.
        Others: Of :class:`mmdet.models.TwoStageDetector`.
    """

    def __init__(
        self,
        *,
        backbone: dict,
        vocabulary: dict,
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
        self.vocabulary = DetectorVocabulary(**vocabulary)
        self.vocabulary.check(self.backbone)
        self.names: list[str] = []
        #: Arguments of the last :meth:`set_vocabulary`.
        self.set_with: tuple = ()

    def set_vocabulary(
        self,
        names: str | Names,
        base: Sequence[str] | None = None,
        phrases: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Detect these classes from now on.

        Args:
            names: K class names (see :func:`~declip_mm.models.text
                .parse_names`); labels are positions in this list. A class of
                several texts has the mean of their embeddings.
            base: Those that had annotations in training. None: all, so that
                one exponent (alpha) fuses the scores of every class.
            phrases: What stands for some names before the text tower
                (``{'tvmonitor': ['tv monitor']}``).

        Raises:
            ValueError: ``base`` or ``phrases`` name other classes.
        """
        texts = parse_names(names)
        names = list(texts)
        texts = _replaced(texts, phrases or {})
        if isinstance(base, str):
            raise ValueError(
                f'base must be a list of class names, got the one string '
                f'{base!r}. Write [{base!r}].'
            )
        device = next(self.parameters()).device
        base = None if base is None else [tidy(name) for name in base]
        # items: the order of names is the order of labels
        wanted = (list(texts.items()), base, device)
        if wanted == self.set_with:
            return
        strangers = sorted(set(base or ()) - set(names))
        if strangers:
            raise ValueError(
                f'base classes {strangers[:8]} are not among the '
                f'{len(names)} class names.'
            )
        matrix = self.vocabulary.matrix(names, texts, device)
        self.vocabulary.check(self.backbone)  # its file is known by now
        base = set(names if base is None else base)
        self.roi_head.set_vocabulary(
            names, [name in base for name in names], matrix
        )
        self.names, self.set_with = names, wanted

    def train(self, mode: bool = True) -> 'FViT':
        super().train(mode)
        self.backbone.eval()
        return self

    def extract_feat(self, batch_inputs: Tensor) -> tuple:
        """(B, 3, H, W) -> pyramid; in eval mode with CLIP's map beside it."""
        with torch.no_grad():
            dense = self.backbone.forward_dense(
                batch_inputs, self.backbone.out_indices
            )
        # mmcv's RoIAlign knows no bfloat16
        pyramid = tuple(level.float() for level in self.neck(dense.taps))
        if self.training:
            return pyramid
        # (B, C, h, w), unit length over C
        vlm = unit(dense.content.movedim(1, -1)).movedim(-1, 1)
        return FViTFeatures.join(pyramid, vlm)


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


def _replaced(texts: Phrases, phrases: Mapping[str, Sequence[str]]) -> Phrases:
    """Texts of each class, of some classes others."""
    own = {tidy(name): list(own) for name, own in phrases.items()}
    strangers = [name for name in own if name not in texts]
    if strangers:
        raise ValueError(
            f'phrases are given for {strangers[:8]}, which are no class '
            f'names. The {len(texts)} classes begin with {list(texts)[:5]}.'
        )
    return class_phrases({**texts, **own})
