"""DINO's decoder as OV-DQUO has it, and attention for mixed precision."""

from typing import Any

import torch
import torch.nn as nn
from mmcv.ops import MultiScaleDeformableAttention
from mmdet.models.layers import (
    MLP,
    DinoTransformerDecoder,
    coordinate_to_encoding,
    inverse_sigmoid,
)
from torch import Tensor

__all__ = [
    'BOX_EPS',
    'FullPrecisionAttention',
    'OVDQUODecoder',
    'text_projection',
]

#: Nearest to 0 and 1 that a coordinate is taken before its logit.
BOX_EPS = 1e-3


def text_projection(width: int, hidden: int, d: int) -> nn.Sequential:
    """From the joint space of a CLIP to that of queries; C, hidden, d."""
    return nn.Sequential(
        nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, d)
    )


class FullPrecisionAttention(MultiScaleDeformableAttention):
    """mmcv's deformable attention, always in float32.

    In half precision sampling points would be off by parts of a cell, and
    for bfloat16 mmcv has no kernel.
    """

    def forward(self, query: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        def full(value: Any) -> Any:
            half = torch.is_tensor(value) and value.is_floating_point()
            return value.float() if half else value

        with torch.autocast(query.device.type, enabled=False):
            return super().forward(
                full(query),
                *map(full, args),
                **{name: full(value) for name, value in kwargs.items()},
            )


class OVDQUODecoder(DinoTransformerDecoder):
    """mmdet's, with the position embedding of the authors.

    d / 2 sine features per coordinate instead of d, so that published
    weights fit.
    """

    def _init_layers(self) -> None:
        super()._init_layers()
        d = self.embed_dims
        self.ref_point_head = MLP(2 * d, d, d, 2)

    def forward(
        self,
        query: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None,
        self_attn_mask: Tensor | None,
        reference_points: Tensor,
        spatial_shapes: Tensor,
        level_start_index: Tensor,
        valid_ratios: Tensor,
        reg_branches: nn.ModuleList,
    ) -> tuple[Tensor, Tensor]:
        """Refine boxes layer by layer ("look forward twice").

        Args:
            query: (B, Q, d) contents.
            value: (B, T, d) tokens of the encoder.
            key_padding_mask: (B, T) bool, True is padding.
            self_attn_mask: (Q, Q) bool, True may not look.
            reference_points: (B, Q, 4) boxes, cx cy w h.
            spatial_shapes: (L, 2) height and width of the levels.
            level_start_index: (L,).
            valid_ratios: (B, L, 2) part that the picture covers, of width
                and height.
            reg_branches: Box head of each layer.

        Returns:
            (layers, B, Q, d) normalised contents and (layers + 1, B, Q, 4)
            boxes, the given ones first.
        """
        ratios = torch.cat([valid_ratios, valid_ratios], -1)[:, None]
        states, boxes = [], [reference_points]
        for index, layer in enumerate(self.layers):
            at_levels = reference_points[:, :, None] * ratios
            encoded = coordinate_to_encoding(
                at_levels[:, :, 0], num_feats=self.embed_dims // 2
            )
            query = layer(
                query,
                query_pos=self.ref_point_head(encoded),
                value=value,
                key_padding_mask=key_padding_mask,
                self_attn_mask=self_attn_mask,
                spatial_shapes=spatial_shapes,
                level_start_index=level_start_index,
                valid_ratios=valid_ratios,
                reference_points=at_levels,
            )
            moved = reg_branches[index](query).float() + inverse_sigmoid(
                reference_points, eps=BOX_EPS
            )
            boxes.append(moved.sigmoid())
            reference_points = boxes[-1].detach()
            states.append(self.norm(query))
        return torch.stack(states), torch.stack(boxes)
