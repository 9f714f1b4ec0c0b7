"""OVCATSegmentor: CAT-Seg on a DeCLIP or plain CLIP backbone.

B images, V views, Q queries (texts), T classes, C joint dimension.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn as nn
from mmseg.models.segmentors import BaseSegmentor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from ...checkpoint import take_todays_keys, take_whole_only
from ...deprecation import renamed_arguments, say_renamed
from ...evaluation.label_files import no_class_label
from ...models.pairing import check_text_tower, check_text_weights
from ...models.pixels import complete_pixels, fit_pixels
from ...models.text.prompts import Prompts
from ...models.text.vocabulary import Source, Vocabulary
from ...models.zero_shot.arg_max import best_of_class
from ...models.zero_shot.resizing import resize
from ..segmentor import write_sample
from ..vocabulary import SegmentsByName
from .embedder import TEMPLATE, TrainableTextEmbedder
from .finetune import apply_finetune
from .geometry import CATSegViews, WholeView
from .merging import class_map, class_probabilities

__all__ = ['OVCATSegmentor']


@MODELS.register_module()
class OVCATSegmentor(SegmentsByName, BaseSegmentor):
    """Open-vocabulary segmentation by cost aggregation.

    CAT-Seg (Cho et al., CVPR 2024), whose backbone DeCLIP replaces (Wang et
    al., CVPR 2025, Table 4). Both CLIP towers train in part.

    Args:
        backbone: Config of a :class:`~declip_mm.models.DeCLIPViT`.
        text_encoder: Config of a :class:`TrainableTextEncoder` of the same
            CLIP.
        decode_head: Config of a :class:`CATSegHead`.
        taps: The two image blocks that guide the decoder (3 and 7 of 12, 7
            and 15 of 24).
        input_size: Side in pixels to which the image tower's input is
            squashed (336 for L/14); None leaves it alone.
        finetune: What trains in the towers: ``'attention'``, ``'full'``,
            ``'none'``, or ``dict(image=..., text=...)``.
        vocabulary: Names, or arguments of :meth:`set_vocabulary`; None waits
            for it.
        templates: Prompts around each text.
        ignore_index: Label of pixels without a class, unless the data set
            says another.
        test_cfg: ``mode`` ``'catseg'`` (windows and global view; ``size``,
            ``crop``, ``stride``, ``with_global``) or ``'whole'`` (``crop``);
            ``crop_batch`` views at a time (None: all of a batch),
            ``class_chunk`` queries at a time while merging, ``keep_logits``
            to hand out all probabilities, ``threshold`` below which a pixel
            gets ``below`` (a class name or a label; None: no class, 255 or
            65535).
        data_preprocessor: Config of mmseg's ``SegDataPreProcessor``; mean,
            std and ``bgr_to_rgb`` may be left out. Others than the backbone's
            need ``foreign_pixels='why'`` in it.
        init_cfg: Initialisation config.
    """

    trains_on_names = True

    #: Of parts, as checkpoints, hooks and optimisers may still name them.
    renamed_parts = dict(image_encoder='backbone')

    @renamed_arguments(image_encoder='backbone')
    def __init__(
        self,
        backbone: dict,
        text_encoder: dict,
        decode_head: dict,
        *,
        taps: Sequence[int] = (3, 7),
        input_size: int | None = None,
        finetune: str | Mapping[str, str] = 'attention',
        vocabulary: Source | None = None,
        templates: Prompts = TEMPLATE,
        ignore_index: int = 255,
        test_cfg: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        # Built here: mmengine's base class would not look in mmseg's registry
        # unless the default scope were mmseg.
        image = MODELS.build(backbone)
        if isinstance(data_preprocessor, dict):
            data_preprocessor = MODELS.build(
                complete_pixels(data_preprocessor, image, MODELS)
            )
        else:
            fit_pixels(data_preprocessor, image)
        super().__init__(data_preprocessor, init_cfg)
        self.backbone = image
        check_text_tower(image, text_encoder)
        self.text_encoder = MODELS.build(text_encoder)
        sizes = dict(
            embed_dim=self.text_encoder.embed_dim,
            tap_dim=image.visual.width,
        )
        self.decode_head = MODELS.build({**sizes, **decode_head})
        self.taps, self.input_size = tuple(taps), input_size
        self.ignore_index = ignore_index
        self.trainable = apply_finetune(
            image, self.text_encoder, self.decode_head, finetune
        )
        self._set_test_cfg(**(test_cfg or {}))
        self.register_load_state_dict_pre_hook(self._before_loading)
        take_whole_only(self)
        self.embedder = TrainableTextEmbedder(self.text_encoder, templates)
        self._init_vocabulary(vocabulary)

    @property
    def image_encoder(self) -> nn.Module:
        """The backbone, by its old name."""
        say_renamed('OVCATSegmentor', 'image_encoder', 'backbone')
        return self.backbone

    @staticmethod
    def _before_loading(
        module: nn.Module, state_dict: dict, prefix: str, *_
    ) -> None:
        module.forget_texts()  # weights change
        take_todays_keys(state_dict, prefix)

    def init_weights(self) -> None:
        """Fill both towers, strictly."""
        self.backbone.init_weights()
        if self.text_encoder.pretrained is not None:
            # the frozen reader of the file, before it is gone
            check_text_weights(self.backbone, self.text_encoder.source)
        super().init_weights()

    def _read_vocabulary(self, source: Source, **options: Any) -> Vocabulary:
        # CAT-Seg's own reading of 'bag, purse'
        return Vocabulary.of(source, **{'synonyms': 'first', **options})

    def text_embeddings(self) -> Tensor:
        """(Q, 1, C) unit rows of the texts.

        In training they are computed at every step, with gradient. At test
        time they are kept as long as texts, weights and device stay.
        """
        vocabulary = self.known_vocabulary()
        self.embedder.follow(self.text_encoder)
        if self.training:
            return self.embedder.with_gradient(vocabulary)[:, None]
        place = self.text_encoder.tower.positional_embedding.device
        return self.embedder.text_rows(vocabulary, place)[:, None]

    def forget_texts(self) -> None:
        """Drop rows of texts that are kept."""
        self.embedder.forget()

    def train(self, mode: bool = True) -> 'OVCATSegmentor':
        self.forget_texts()
        return super().train(mode)

    def _set_test_cfg(
        self,
        mode: str = 'catseg',
        crop: int = 384,
        crop_batch: int | None = None,
        class_chunk: int = 32,
        keep_logits: bool = False,
        threshold: float = 0.0,
        below: int | str | None = None,
        **windows,
    ) -> None:
        if mode not in ('catseg', 'whole') or (mode == 'whole' and windows):
            raise ValueError(
                f"test_cfg mode={mode!r} with {sorted(windows)}: 'catseg' "
                "takes size, stride and with_global, 'whole' none of them."
            )
        self.views = (
            WholeView(crop)
            if mode == 'whole'
            else CATSegViews(crop=crop, **windows)
        )
        self.crop_batch, self.class_chunk = crop_batch, class_chunk
        self.keep_logits = keep_logits
        self.threshold, self.below = threshold, below

    def extract_feat(self, inputs: Tensor):
        """(B, 3, H, W) -> :class:`DenseFeatures` with the two taps."""
        size = self.input_size
        if size is not None:
            inputs = resize(inputs, (size, size))
        return self.backbone.forward_dense(inputs, self.taps)

    def encode_decode(
        self, inputs: Tensor, batch_data_samples: list | None = None
    ) -> Tensor:
        """(B, 3, H, W) -> (B, Q, 4h, 4w) logits on the patch grid h x w."""
        dense = self.extract_feat(inputs)
        return self.decode_head(
            dense.content, dense.taps, self.text_embeddings()
        )

    _forward = encode_decode

    def loss(
        self, inputs: Tensor, data_samples: list[SegDataSample]
    ) -> dict[str, Tensor]:
        """``loss_seg`` of a batch with ``gt_sem_seg``."""
        logits = self.encode_decode(inputs)
        vocabulary = self.known_vocabulary()
        if len(vocabulary.queries) > len(vocabulary.classes):
            owner = torch.tensor(vocabulary.owner)
            logits = best_of_class(logits, owner, len(vocabulary.classes))
        labels = torch.stack([s.gt_sem_seg.data[0] for s in data_samples])
        return self.decode_head.loss(logits, labels, self.ignore_index)

    def predict(
        self,
        inputs: Tensor,
        data_samples: list[SegDataSample] | None = None,
    ) -> list[SegDataSample]:
        """Class maps at the original size of each picture.

        Adds ``pred_sem_seg`` (1, H, W), the classes to their metainfo and,
        with ``keep_logits``, ``seg_logits``: probabilities (T, H, W).
        """
        if data_samples is None:
            size = tuple(inputs.shape[-2:])
            data_samples = [
                SegDataSample(metainfo=dict(ori_shape=size)) for _ in inputs
            ]
        views = self.views.cut(inputs).flatten(0, 1)  # (B * V, 3, crop, crop)
        parts = views.split(self.crop_batch or len(views))
        logits = torch.cat([self.encode_decode(part) for part in parts])
        logits = logits.unflatten(0, (len(inputs), -1))
        for sample, own in zip(data_samples, logits):
            self._write(sample, own)
        return data_samples

    def _write(self, sample: SegDataSample, logits: Tensor) -> None:
        """Merge the (V, Q, h, w) logits of one picture into its sample."""
        vocabulary = self.known_vocabulary()
        owner = torch.tensor(vocabulary.owner)
        size = tuple(sample.ori_shape[:2])
        labels, best = class_map(
            logits, self.views.join, size, owner, self.class_chunk
        )
        if self.threshold > 0:
            labels = labels.masked_fill(best < self.threshold, self._below())
        found = dict(pred_sem_seg=labels[None])
        if self.keep_logits:
            found['seg_logits'] = class_probabilities(
                logits, self.views.join, size, owner, len(vocabulary.classes)
            )
        write_sample(sample, found, self.dataset_meta)

    def _below(self) -> int:
        """Label of pixels in which no class is probable enough."""
        classes = self.known_vocabulary().classes
        if self.below is None:
            return no_class_label(len(classes))
        if isinstance(self.below, int):
            return self.below
        if self.below not in classes:
            raise ValueError(
                f'test_cfg below={self.below!r} is none of the '
                f'{len(classes)} classes.'
            )
        return classes.index(self.below)
