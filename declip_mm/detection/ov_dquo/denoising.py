"""Denoising queries that look for the wildcard.

B pictures, G groups, K classes of a step; class K is the wildcard.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.models.layers import CdnQueryGenerator
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from torch import Tensor

from .targets import Targets

__all__ = ['Denoising', 'WildcardQueryGenerator', 'objects_to_denoise']


class Denoising(NamedTuple):
    """P denoising queries a picture.

    Attributes:
        content: (B, P, d) of the queries.
        boxes: (B, P, 4) their boxes, cx cy w h before the sigmoid.
        mask: (P + N, P + N) bool, True where a query may not look.
        groups: G.
        targets: Objects of each picture that they are of.
    """

    content: Tensor
    boxes: Tensor
    mask: Tensor
    groups: int
    targets: list[Targets]

    @property
    def count(self) -> int:
        """P."""
        return self.content.shape[1]

    def positives(self) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Index (B, P) of the positive queries, and their weights."""
        size = self.count // self.groups
        image, place, weights = [], [], []
        first = torch.arange(self.groups, device=self.boxes.device) * size
        for index, objects in enumerate(self.targets):
            own = torch.arange(len(objects.boxes), device=first.device)
            places = (first[:, None] + own).flatten()
            image.append(torch.full_like(places, index))
            place.append(places)
            weights.append(objects.weights.repeat(self.groups))
        return (torch.cat(image), torch.cat(place)), torch.cat(weights)


def objects_to_denoise(targets: Sequence[Targets]) -> list[Targets]:
    """The pseudo objects; without any, the first annotated one of all.

    Args:
        targets: Objects of each picture.
    """
    found = [t.only(t.pseudo) for t in targets]
    if not any(len(t.boxes) for t in found):
        for index, objects in enumerate(targets):
            if len(objects.boxes):
                found[index] = objects.only(slice(1))
                break
    return found


class WildcardQueryGenerator(CdnQueryGenerator):
    """DINO's contrastive denoising queries, with texts (Wang et al., 2025).

    A positive query, on a box with little noise, always looks for the
    wildcard; a negative one, on a box with much, for the text of its label,
    which is the wildcard's unless it was flipped.

    Args:
        max_classes: Most classes that a step may have; labels beyond are the
            wildcard's row of the label embedding.
        embed_dims: d.
        num_matching_queries: N.
        label_noise_scale: Twice the share of labels that are flipped.
        box_noise_scale: Of the noise on corners, in halves of the box.
        num_dn_queries: About so many positive queries a picture.
    """

    def __init__(
        self,
        max_classes: int,
        embed_dims: int,
        num_matching_queries: int,
        label_noise_scale: float = 0.5,
        box_noise_scale: float = 1.0,
        num_dn_queries: int = 100,
    ) -> None:
        super().__init__(
            max_classes + 1,
            embed_dims,
            num_matching_queries,
            label_noise_scale,
            box_noise_scale,
            dict(dynamic=True, num_dn_queries=num_dn_queries),
        )

    def get_num_groups(self, max_num_target: int = 0) -> int:
        """G; few queries are not shared out, as the authors have it."""
        groups = 2 * self.num_dn_queries
        if not max_num_target:
            return 1
        if groups >= 100:
            groups //= 2 * max_num_target
        return max(1, groups)

    def __call__(
        self, targets: Sequence[Targets], projected: Tensor
    ) -> Denoising:
        """Make the queries of a batch.

        Args:
            targets: Objects of each picture, labels among the K classes.
            projected: (K + 1, d) projected texts, the wildcard's last.
        """
        wildcard = len(projected) - 1
        chosen = objects_to_denoise(targets)
        counts = [len(t.boxes) for t in chosen]
        groups = self.get_num_groups(max(counts))
        labels = torch.cat([t.classes(wildcard) for t in chosen])
        content = self.noised_content(labels, groups, projected)
        corners = bbox_cxcywh_to_xyxy(torch.cat([t.boxes for t in chosen]))
        boxes = self.generate_dn_bbox_query(corners, groups)
        image = torch.arange(len(chosen), device=labels.device)
        image = image.repeat_interleave(
            torch.tensor(counts, device=labels.device)
        )
        content, boxes = self.collate_dn_queries(
            content, boxes, image, len(chosen), groups
        )
        mask = self.generate_dn_mask(max(counts), groups, labels.device)
        return Denoising(content, boxes, mask, groups, chosen)

    def noised_content(
        self, labels: Tensor, groups: int, projected: Tensor
    ) -> Tensor:
        """Label embedding and text of every copy of the objects.

        Args:
            labels: (n,) 0 to K.
            groups: G.
            projected: (K + 1, d).

        Returns:
            (2 G n, d), copy by copy, positive and negative by turns.
        """
        wildcard = len(projected) - 1
        noised = self.flip_labels(labels.repeat(2 * groups), wildcard + 1)
        row = noised.masked_fill(noised == wildcard, self.num_classes - 1)
        positive = torch.arange(2 * groups, device=labels.device) % 2 == 0
        positive = positive.repeat_interleave(len(labels))
        text = noised.masked_fill(positive, wildcard)
        return self.label_embedding(row) + projected[text]

    def flip_labels(self, labels: Tensor, count: int) -> Tensor:
        """Some labels replaced by random ones, 0 to ``count - 1``."""
        uniform = torch.rand_like(labels.float())
        chosen = (uniform < self.label_noise_scale * 0.5).nonzero().flatten()
        drawn = torch.randint_like(chosen, 0, count)
        return labels.scatter(0, chosen, drawn)
