"""OV-DQUO: a DETR whose queries look for texts, on a frozen CLIP ViT.

B pictures, N queries, K classes, d width; class K is the wildcard.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn as nn
from mmdet.models import DINO
from mmdet.models.detectors.deformable_detr import DeformableDETR
from mmdet.registry import MODELS
from torch import Tensor

from ..frozen_clip import unit_map
from .assignment import most_likely, tie_to_pseudo_objects
from .clip_regions import ClipRegions
from .denoising import WildcardQueryGenerator
from .draws import draws_of_step
from .inference import detections, final_scores
from .selection import SELECTIONS, gather_boxes, select_tokens
from .targets import Targets, read_targets
from .texts import QueryTexts
from .transformer import (
    FullPrecisionAttention,
    OVDQUODecoder,
    text_projection,
)

__all__ = ['OVDQUO']

#: Cosine of one column more in CLIP's softmax: queries are always of a class,
#: boxes may be like none.
NO_CLASS_QUERY, NO_CLASS_SCORE = -1.0, 0.0


@MODELS.register_module()
class OVDQUO(QueryTexts, DINO):
    """OV-DQUO (Wang et al., AAAI 2025) on a :class:`DeCLIPViT`.

    Every query is tied to the text that CLIP finds most likely in its box,
    and learns to say whether its box holds that, whatever it is. Objects
    without a name (pseudo labels) are tied to the wildcard, so that they are
    no background. Scores of classes are CLIP's alone.

    A class of several texts has the mean of their embeddings.

    Args:
        backbone: Config of a backbone with ``forward_dense``.
        embedder: Arguments of
            :class:`~declip_mm.models.text.embedder.TextEmbedder`; its
            ``background`` is the wildcard.
        pixel_stats: See :class:`~declip_mm.detection.FViT`.
        data_preprocessor: Config of mmdet's preprocessor.
        dn_cfg: Of :class:`~.denoising.WildcardQueryGenerator`:
            ``label_noise_scale``, ``box_noise_scale``, ``num_dn_queries``.
        num_feature_levels: Maps of the neck.
        train_classes: Texts a training step has at most, and rows of the
            label embedding beside the wildcard's.
        novel_names: Whether names of novel classes may be among them, as
            what no query finds (OV-LVIS as released). Their objects never
            are.
        tau_query, tau_vlm: Temperatures of CLIP's cosines where queries are
            tied, and in scores.
        novel_factor: Multiplies probabilities of novel classes where queries
            are tied at test time. Other than 1 it makes use of which names
            have had no annotations, which a detector cannot know.
        objectness_power: Exponent of the detector's part in scores.
        round_trip_eps: See :func:`~.inference.final_scores`.
        pseudo_iou: IoU with a pseudo object above which a query is tied to
            the wildcard.
        select_by: What chooses tokens of the encoder as queries:
            ``'objectness'``, or ``'objectness_x_clip'``, which multiplies
            that of the ``preselect`` best by CLIP's highest probability.
        preselect: See above.
        text_channels: Hidden width of the projection of texts.
        Others: Of :class:`mmdet.models.DINO`.
    """

    def __init__(
        self,
        *,
        backbone: dict,
        embedder: dict,
        pixel_stats: str | Mapping = 'backbone',
        data_preprocessor: dict | None = None,
        dn_cfg: Mapping | None = None,
        num_feature_levels: int = 3,
        train_classes: int = 100,
        novel_names: bool = False,
        tau_query: float = 100.0,
        tau_vlm: float = 100.0,
        novel_factor: float = 1.0,
        objectness_power: float = 1.0,
        round_trip_eps: float | None = None,
        pseudo_iou: float = 0.5,
        select_by: str = 'objectness',
        preselect: int = 2000,
        text_channels: int = 128,
        **kwargs: Any,
    ) -> None:
        _check_above_0(
            train_classes=train_classes,
            tau_query=tau_query,
            tau_vlm=tau_vlm,
            novel_factor=novel_factor,
        )
        if select_by not in SELECTIONS:
            raise ValueError(
                f'unknown select_by={select_by!r}; allowed: '
                f'{", ".join(SELECTIONS)}.'
            )
        self._text_channels = text_channels
        # not DINO's, which builds a generator of its own
        DeformableDETR.__init__(
            self,
            backbone=backbone,
            with_box_refine=True,
            as_two_stage=True,
            num_feature_levels=num_feature_levels,
            **kwargs,
        )
        self._stand_on_clip(embedder, 'object', pixel_stats, data_preprocessor)
        self._check_wildcard()
        self.dn_query_generator = WildcardQueryGenerator(
            train_classes, self.embed_dims, self.num_queries, **(dn_cfg or {})
        )
        self.train_classes, self.novel_names = train_classes, novel_names
        self.tau_query, self.tau_vlm = tau_query, tau_vlm
        self.novel_factor = novel_factor
        self.objectness_power = objectness_power
        self.round_trip_eps = round_trip_eps
        self.pseudo_iou = pseudo_iou
        self.select_by, self.preselect = select_by, preselect
        #: Training steps so far, which draws are a function of.
        self.register_buffer('steps', torch.zeros((), dtype=torch.long))

    def _init_layers(self) -> None:
        self._check_backbone()
        decoder = self.decoder
        super()._init_layers()
        self.decoder = OVDQUODecoder(**decoder)
        for layer in self.encoder.layers:
            layer.self_attn = FullPrecisionAttention(**layer.self_attn_cfg)
        for layer in self.decoder.layers:
            layer.cross_attn = FullPrecisionAttention(**layer.cross_attn_cfg)
        nn.init.normal_(self.level_embed)  # else whatever is in memory
        self.text_proj = text_projection(
            self.backbone.visual.out_dim, self._text_channels, self.embed_dims
        )

    # -- features -------------------------------------------------------

    def extract_feat(
        self, batch_inputs: Tensor
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """(B, 3, H, W) -> (B, d, h_i, w_i) maps, and CLIP's (B, C, h, w)."""
        dense = self._dense(batch_inputs)
        return self.neck(dense.taps), unit_map(dense.content)

    def forward_transformer(
        self,
        img_feats: tuple[Tensor, ...],
        batch_data_samples: Sequence[Any],
        vlm_map: Tensor,
        text: Tensor,
        targets: Sequence[Targets] | None = None,
    ) -> dict[str, Any]:
        """From maps to what the head takes.

        Args:
            img_feats: Maps of the neck.
            batch_data_samples: Their metainfo is read.
            vlm_map: (B, C, h, w) of CLIP.
            text: Rows that queries are tied to; in training the wildcard's
                last.
            targets: Objects of each picture, in training alone.
        """
        encoder_in, decoder_in = self.pre_transformer(
            img_feats, batch_data_samples
        )
        encoded = self.forward_encoder(**encoder_in)
        queries, head_in = self.pre_decoder(
            **encoded,
            clip=ClipRegions.of(vlm_map, batch_data_samples),
            text=text,
            targets=targets,
        )
        found = self.forward_decoder(**decoder_in, **queries)
        return dict(found, **head_in)

    def pre_decoder(
        self,
        memory: Tensor,
        memory_mask: Tensor | None,
        spatial_shapes: Tensor,
        clip: ClipRegions,
        text: Tensor,
        targets: Sequence[Targets] | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Choose tokens as queries and tie each to a text.

        Args:
            memory: (B, T, d) tokens of the encoder.
            memory_mask: (B, T) bool, True is padding.
            spatial_shapes: (L, 2).
            clip: What CLIP says of boxes.
            text, targets: See :meth:`forward_transformer`.

        Returns:
            What the decoder takes, and what the head takes beside it.
        """
        tokens, anchors = self.gen_encoder_output_proposals(
            memory, memory_mask, spatial_shapes
        )
        last = self.decoder.num_layers
        logits = self.bbox_head.cls_branches[last](tokens)[..., 0].float()
        places = self.bbox_head.reg_branches[last](tokens).float() + anchors
        known = text if targets is None else text[:-1]
        chosen = self._select(logits, places, clip, known)
        logits, places = logits.gather(1, chosen), gather_boxes(places, chosen)
        boxes = places.detach().sigmoid()
        classes = self._tie(boxes, clip, known, targets)
        order = self._query_order(classes)
        classes, boxes = classes.gather(1, order), gather_boxes(boxes, order)
        projected = self.text_proj(text).float()
        content = self.query_embedding.weight + projected[classes]
        if targets is None:
            queries = dict(query=content, reference_points=boxes, dn_mask=None)
            return dict(queries, memory=memory), {}
        noisy = self.dn_query_generator(targets, projected)
        # a batch without objects has no denoising queries; DDP wants every
        # parameter to take part
        content = (
            content
            + 0 * self.dn_query_generator.label_embedding.weight[0].sum()
        )
        queries = dict(
            query=torch.cat([noisy.content, content], 1),
            reference_points=torch.cat([noisy.boxes.sigmoid(), boxes], 1),
            dn_mask=noisy.mask,
            memory=memory,
        )
        return queries, dict(
            encoder_output=(logits, places.sigmoid()),
            query_classes=classes,
            wildcard=len(text) - 1,
            denoising=noisy,
        )

    @torch.no_grad()
    def _select(
        self, logits: Tensor, places: Tensor, clip: ClipRegions, text: Tensor
    ) -> Tensor:
        """(B, N) tokens that become queries, best first."""

        def likelihood(boxes: Tensor) -> Tensor:
            return clip.probabilities(
                boxes, text, self.tau_query, NO_CLASS_QUERY
            ).amax(-1)

        with_clip = self.select_by == 'objectness_x_clip'
        return select_tokens(
            logits,
            places,
            self.num_queries,
            self.preselect,
            likelihood if with_clip else None,
        )

    @torch.no_grad()
    def _tie(
        self,
        boxes: Tensor,
        clip: ClipRegions,
        text: Tensor,
        targets: Sequence[Targets] | None,
    ) -> Tensor:
        """(B, N) class that each query looks for."""
        found = clip.probabilities(boxes, text, self.tau_query, NO_CLASS_QUERY)
        if targets is None:
            novel = ~self._is_base()
            factor = 1 + (self.novel_factor - 1) * novel
            return most_likely(found, factor)
        return tie_to_pseudo_objects(
            most_likely(found), boxes, targets, len(text), self.pseudo_iou
        )

    def _query_order(self, classes: Tensor) -> Tensor:
        """(B, N) queries of one class side by side."""
        return classes.sort(dim=1, stable=True)[1]

    # -- what mmdet calls ----------------------------------------------

    def loss(
        self, batch_inputs: Tensor, batch_data_samples: Sequence[Any]
    ) -> dict[str, Tensor]:
        """Losses of a batch; see :meth:`OVDQUOHead.loss_by_feat`."""
        objects = read_targets(batch_data_samples)
        maps, vlm_map = self.extract_feat(batch_inputs)
        with draws_of_step(self.steps):
            targets, text = self.step_classes(objects)
            found = self.forward_transformer(
                maps, batch_data_samples, vlm_map, text, targets
            )
        return self.bbox_head.loss(**found, targets=targets)

    def predict(
        self,
        batch_inputs: Tensor,
        batch_data_samples: Sequence[Any],
        rescale: bool = True,
    ) -> Sequence[Any]:
        """Detections of a batch, in its samples' ``pred_instances``.

        Args:
            batch_inputs: (B, 3, H, W).
            batch_data_samples: With ``img_shape`` and ``ori_shape``.
            rescale: Whether boxes are in pixels of the original picture.
        """
        boxes, scores = self._forward(batch_inputs, batch_data_samples)
        found = [
            detections(
                *of_one,
                sample.ori_shape if rescale else sample.img_shape,
                self.test_cfg,
            )
            for *of_one, sample in zip(boxes, scores, batch_data_samples)
        ]
        return self.add_pred_to_datasample(batch_data_samples, found)

    def _forward(
        self, batch_inputs: Tensor, batch_data_samples: Sequence[Any]
    ) -> tuple[Tensor, Tensor]:
        """(B, N, 4) boxes, cx cy w h in fractions, and (B, N, K) scores."""
        text = self._text()[:-1]
        maps, vlm_map = self.extract_feat(batch_inputs)
        found = self.forward_transformer(
            maps, batch_data_samples, vlm_map, text
        )
        return self.score(
            *self.bbox_head(**found), vlm_map, batch_data_samples, text
        )

    def score(
        self,
        logits: Tensor,
        boxes: Tensor,
        vlm_map: Tensor,
        batch_data_samples: Sequence[Any],
        text: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Boxes of the last layer, and their scores of every class.

        Args:
            logits: (layers, B, N).
            boxes: (layers, B, N, 4).
            vlm_map: (B, C, h, w) of CLIP.
            batch_data_samples: Their metainfo is read.
            text: (K, C).

        Returns:
            (B, N, 4) and (B, N, K).
        """
        likely = ClipRegions.of(vlm_map, batch_data_samples).probabilities(
            boxes[-1], text, self.tau_vlm, NO_CLASS_SCORE
        )
        scores = final_scores(
            likely, logits[-1], self.objectness_power, self.round_trip_eps
        )
        return boxes[-1], scores


def _check_above_0(**values: float) -> None:
    for name, value in values.items():
        if value <= 0:
            raise ValueError(f'{name} must be above 0, got {value}.')
