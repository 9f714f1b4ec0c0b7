"""OV-DQUO's head: one logit a query, and losses of its boxes.

B pictures, N queries, P denoising queries before them.
"""

from collections.abc import Sequence

import torch
import torch.nn as nn
from mmdet.models import DINOHead
from mmdet.models.layers import inverse_sigmoid
from mmdet.registry import MODELS
from mmdet.utils import reduce_mean
from torch import Tensor

from .boxes import overlap
from .denoising import Denoising
from .matching import Matches
from .targets import Targets
from .transformer import BOX_EPS

__all__ = ['OVDQUOHead']

Layer = tuple[Tensor, Tensor]


@MODELS.register_module()
class OVDQUOHead(DINOHead):
    """Whether a query has found what it looks for, and where.

    Class-agnostic: the same linear layer says it of every class, in every
    decoder layer; the encoder has its own. Boxes have a head a layer.

    Args:
        embed_dims: d.
        loss_cls, loss_bbox, loss_iou, loss_denoising: Configs of the losses.
        Others: Of :class:`mmdet.models.DINOHead`; ``train_cfg.assigner`` is
            a :class:`~.matching.ConditionalMatcher`.
    """

    def __init__(
        self,
        embed_dims: int = 256,
        *,
        loss_cls: dict,
        loss_bbox: dict,
        loss_iou: dict,
        loss_denoising: dict,
        **kwargs,
    ) -> None:
        super().__init__(
            num_classes=1,
            embed_dims=embed_dims,
            loss_cls=loss_cls,
            loss_bbox=loss_bbox,
            loss_iou=loss_iou,
            **kwargs,
        )
        self.loss_denoising = MODELS.build(loss_denoising)

    def _init_layers(self) -> None:
        super()._init_layers()
        shared, *_, encoder = self.cls_branches
        layers = self.num_pred_layer - 1
        self.cls_branches = nn.ModuleList([shared] * layers + [encoder])

    def forward(self, hidden_states: Tensor, references: Sequence[Tensor]):
        """Logits and boxes of every layer.

        Args:
            hidden_states: (layers, B, Q, d).
            references: (B, Q, 4) boxes that each layer began with.

        Returns:
            (layers, B, Q) logits and (layers, B, Q, 4) boxes, float32.
        """
        logits, boxes = [], []
        for index, states in enumerate(hidden_states):
            start = inverse_sigmoid(references[index], eps=BOX_EPS)
            moved = self.reg_branches[index](states).float() + start
            logits.append(self.cls_branches[index](states)[..., 0].float())
            boxes.append(moved.sigmoid())
        return torch.stack(logits), torch.stack(boxes)

    def loss(
        self,
        hidden_states: Tensor,
        references: Sequence[Tensor],
        encoder_output: Layer,
        query_classes: Tensor,
        wildcard: int,
        denoising: Denoising,
        targets: Sequence[Targets],
    ) -> dict[str, Tensor]:
        """All losses, of decoder outputs; see :meth:`loss_by_feat`."""
        logits, boxes = self(hidden_states, references)
        count = denoising.count
        return self.loss_by_feat(
            [*zip(logits[:, :, count:], boxes[:, :, count:])],
            encoder_output,
            logits[:, :, :count],
            query_classes,
            wildcard,
            denoising,
            targets,
        )

    def loss_by_feat(
        self,
        layers: Sequence[Layer],
        encoder_output: Layer,
        denoising_logits: Sequence[Tensor],
        query_classes: Tensor,
        wildcard: int,
        denoising: Denoising,
        targets: Sequence[Targets],
    ) -> dict[str, Tensor]:
        """All losses.

        Args:
            layers: (B, N) logits and (B, N, 4) boxes of each decoder layer.
            encoder_output: The same of the encoder's chosen tokens.
            denoising_logits: (B, P) of each decoder layer.
            query_classes: (B, N) class that each query looks for.
            wildcard: Class of pseudo objects.
            denoising: The denoising queries.
            targets: Objects of each picture.

        Returns:
            ``loss_cls``, ``loss_bbox``, ``loss_iou`` and ``dn_loss_cls`` of
            the last layer; of others with ``d0.`` and so on before them;
            ``enc_loss_cls`` ... of the encoder.
        """
        matches = [
            self.assigner.match(*layer, targets, query_classes, wildcard)
            for layer in layers
        ]
        # the last layer's counts normalise every loss
        counts = self._counts(matches[-1])
        encoder = self.assigner.match(*encoder_output, targets)
        found = {}
        for name, layer, pairs in zip(_names(len(layers)), layers, matches):
            found.update(self._layer_losses(name, *layer, pairs, counts))
        for name, logits in zip(_names(len(layers)), denoising_logits):
            found[f'{name}dn_loss_cls'] = self.loss_denoising(
                logits,
                *denoising.positives(),
                avg_factor=counts[0] * denoising.groups,
            )
        found.update(
            self._layer_losses('enc_', *encoder_output, encoder, counts)
        )
        return found

    @staticmethod
    def _counts(pairs: Matches) -> Tensor:
        """Matched annotated and pseudo objects, at least 1 each."""
        pseudo = pairs.targets.pseudo
        counts = torch.stack([(~pseudo).sum(), pseudo.sum()]).float()
        return reduce_mean(counts).clamp(min=1)

    def _layer_losses(
        self,
        name: str,
        logits: Tensor,
        boxes: Tensor,
        pairs: Matches,
        counts: Tensor,
    ) -> dict[str, Tensor]:
        matched, objects = (pairs.image, pairs.query), pairs.targets
        own, real = boxes[matched], ~objects.pseudo
        iou, giou = overlap(own, objects.boxes)
        # pseudo boxes are too rough to be regressed
        return {
            f'{name}loss_cls': self.loss_cls(
                logits,
                matched,
                iou.detach(),
                objects.weights,
                avg_factor=counts.sum(),
            ),
            f'{name}loss_bbox': self.loss_bbox(
                own[real], objects.boxes[real], avg_factor=counts[0]
            ),
            f'{name}loss_iou': self.loss_iou(giou[real], avg_factor=counts[0]),
        }


def _names(layers: int) -> list[str]:
    return [*(f'd{index}.' for index in range(layers - 1)), '']
