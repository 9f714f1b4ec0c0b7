"""DenseCLIPSegmentor: segmentation from frozen features and class names.

B pictures, Q queries (texts), T classes, C joint dimension.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models.segmentors import BaseSegmentor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from ..evaluation.label_files import no_class_label
from ..models.pixels import fit_pixels
from ..models.text.embedder import TextEmbedder
from ..models.text.prompts import Prompts
from ..models.text.vocabulary import Source
from ..models.zero_shot.arg_max import (
    best_of_class,
    best_query,
    labels_of,
    query_probabilities,
)
from ..models.zero_shot.windows import (
    ImageFeatures,
    check_windows,
    encode_windows,
)
from .vocabulary import SegmentsByName

__all__ = ['DenseCLIPSegmentor', 'write_sample']

_PREPROCESSOR = 'DenseSegPreprocessor'


@MODELS.register_module()
class DenseCLIPSegmentor(SegmentsByName, BaseSegmentor):
    """Training-free open-vocabulary segmentation (DeCLIP paper, Table 5).

    A pixel's score for a text is the cosine of its feature with the text's
    embedding, averaged over sliding windows; a softmax over all texts makes
    probabilities; a class has the probability of its best text. The last
    block of the backbone decides whether this is CLIP, MaskCLIP, SCLIP,
    ClearCLIP or DeCLIP.

    Args:
        backbone: Config of a :class:`~declip_mm.models.DeCLIPViT`.
        text_encoder: Config of the same CLIP's ``DeCLIPTextEncoder``.
        vocabulary: Names, or arguments of :meth:`set_vocabulary`; None waits
            for it (:class:`VocabularyHook` calls it with the data set's). One
            name is enough, but then every pixel is it, unless ``background``
            gives it something to be told from.
        prompts, cache_dir, embeddings: See :class:`TextEmbedder`.
        test_cfg: ``window`` (side in pixels; None: the whole picture at
            once), ``stride``, ``window_batch`` (windows at a time),
            ``logit_scale``, ``threshold`` (probability below which a pixel
            gets the class ``below``, a name; where there is no such class,
            none: label 255, or 65535), ``keep_logits`` (hand out the
            probabilities of all classes), ``memory`` (MiB of working space
            for scores).
        data_preprocessor: Config of a :class:`DenseSegPreprocessor`.
    """

    def __init__(
        self,
        backbone: dict,
        text_encoder: dict,
        vocabulary: Source | None = None,
        prompts: Prompts = 'openai',
        cache_dir: str | None = None,
        embeddings: str | None = None,
        test_cfg: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        # Built here: mmengine's base class would not look in mmseg's registry
        # unless the default scope were mmseg.
        data_preprocessor = data_preprocessor or dict(type=_PREPROCESSOR)
        super().__init__(MODELS.build(data_preprocessor), init_cfg)
        self.backbone = MODELS.build(backbone)
        fit_pixels(self.data_preprocessor, self.backbone)
        self.embedder = TextEmbedder(
            text_encoder, embeddings, prompts, cache_dir=cache_dir
        )
        self.embedder.check(self.backbone)
        self.set_test_cfg(**(test_cfg or {}))
        self._init_vocabulary(vocabulary)

    def set_test_cfg(
        self,
        window: int | None = 336,
        stride: int = 112,
        window_batch: int = 8,
        logit_scale: float = 40.0,
        threshold: float = 0.0,
        below: str = 'background',
        keep_logits: bool = False,
        memory: int = 256,
    ) -> None:
        """How pictures are tested from now on; see ``test_cfg``."""
        patch = self.backbone.visual.patch_size
        # without windows the stride, which has a default, says nothing
        check_windows(window, stride if window else None, patch)
        if not 0 <= threshold <= 1 or logit_scale <= 0:
            raise ValueError(
                f'threshold={threshold} must be a probability and '
                f'logit_scale={logit_scale} positive.'
            )
        if min(window_batch, memory) < 1:
            raise ValueError(
                f'window_batch={window_batch}, memory={memory}: must be >= 1.'
            )
        self.window, self.stride = window, stride
        self.window_batch, self.memory = window_batch, memory
        self.logit_scale, self.threshold = logit_scale, threshold
        self.below, self.keep_logits = below, keep_logits

    def extract_feat(self, inputs: Tensor) -> Tensor:
        """(B, 3, H, W), whole patches -> (B, C, h, w), not normalised."""
        return self.backbone.forward_dense(inputs).content

    @torch.no_grad()
    def encode(self, images: Sequence[Tensor]) -> list[ImageFeatures]:
        """Window features of pictures (3, H, W) of any sizes."""
        return encode_windows(
            list(images),
            self.extract_feat,
            self.window,
            self.stride,
            self.backbone.visual.patch_size,
            self.window_batch,
        )

    @torch.no_grad()
    def encode_decode(
        self, inputs: Tensor, batch_data_samples: list | None = None
    ) -> Tensor:
        """(B, 3, H, W) -> (B, Q, H, W) cosines; memory has no bound."""
        found = self.encode(inputs)
        texts = self._text_rows(found[0])
        return torch.stack([features.scores(texts) for features in found])

    _forward = encode_decode

    def loss(self, inputs: Tensor, data_samples: Any) -> dict:
        raise RuntimeError(
            'DenseCLIPSegmentor has nothing to train: its classes come from '
            'the text tower. Train the backbone with DecoupledDistiller, or a '
            'head on it with OVCATSegmentor.'
        )

    @torch.no_grad()
    def predict(
        self,
        inputs: Sequence[Tensor],
        data_samples: list[SegDataSample] | None = None,
    ) -> list[SegDataSample]:
        """Class maps at the original size of each picture.

        Args:
            inputs: B pictures (3, H, W), a list or a tensor.
            data_samples: With ``ori_shape``, the size that is wanted.

        Returns:
            The samples with ``pred_sem_seg`` (1, H, W), the classes in their
            metainfo and, with ``keep_logits``, ``seg_logits`` (T, H, W).
        """
        if data_samples is None:
            data_samples = [
                SegDataSample(metainfo=dict(ori_shape=tuple(i.shape[-2:])))
                for i in inputs
            ]
        self.embedder.check(self.backbone)
        for sample, features in zip(data_samples, self.encode(inputs)):
            self._write(sample, features)
        return data_samples

    def _write(self, sample: SegDataSample, features: ImageFeatures) -> None:
        texts = self._text_rows(features)
        size = tuple(sample.ori_shape[:2])
        owner = torch.tensor(self.vocabulary.owner, device=texts.device)
        wanted = self.threshold > 0
        best = best_query(
            features, texts, size, self.logit_scale, wanted, self.memory
        )
        labels = labels_of(best, owner, self.threshold, self._below())
        fields = dict(pred_sem_seg=labels[None])
        if self.keep_logits:
            every = query_probabilities(
                features, texts, size, self.logit_scale
            )
            fields['seg_logits'] = best_of_class(
                every, owner, len(self.vocabulary.classes)
            )
        write_sample(sample, fields, self.dataset_meta)

    def _text_rows(self, features: ImageFeatures) -> Tensor:
        """(Q, C) rows of the texts, on the features' device."""
        some = features.maps[0]
        return self.embedder.text_rows(
            self.known_vocabulary(), some.device, some.shape[0]
        )

    def _below(self) -> int:
        """Label of pixels in which no class is probable enough."""
        classes = self.vocabulary.classes
        if self.below in classes:
            return classes.index(self.below)
        return no_class_label(len(classes))


def write_sample(
    sample: SegDataSample, fields: Mapping[str, Tensor], meta: dict
) -> None:
    """Add maps (n, H, W) and the names of their classes to a sample.

    What test-time augmentation mirrored is turned back.
    """
    for name, value in fields.items():
        if sample.metainfo.get('flip'):
            horizontal = sample.flip_direction == 'horizontal'
            value = value.flip(-1 if horizontal else -2)
        sample.set_data({name: PixelData(data=value)})
    sample.set_metainfo(meta)
