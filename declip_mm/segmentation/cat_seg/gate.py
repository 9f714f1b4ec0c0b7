"""Looks at the raw features before a long training begins."""

from typing import List, NamedTuple

import torch
import torch.nn.functional as F
from mmengine.dataset import pseudo_collate
from mmengine.hooks import Hook
from mmseg.registry import HOOKS
from torch import Tensor

from ...evaluation.dense_iou import intersect_and_areas
from .hooks import unwrap

__all__ = ['ZeroShotGateHook', 'ZeroShotProbe', 'probe_zero_shot']

#: Mean cosine between the embeddings of different classes above which they
#: are as good as one. Trained CLIPs are below 0.9 with one template.
SAME_TEXT = 0.97
#: Share of pairs of patches in which two of one class are nearer than two of
#: different classes. Random towers see colours, and little else.
BLIND_IMAGE = 0.6


class ZeroShotProbe(NamedTuple):
    """What the raw features of a model can do.

    Attributes:
        miou: Of raw cosines, over the classes that occur, in percent.
        text_cosine: Mean cosine between the texts of different classes.
        image_auc: How well the cosine of two patches tells whether they are
            of one class, 0.5 to 1.
    """

    miou: float
    text_cosine: float
    image_auc: float

    @property
    def diagnosis(self) -> str:
        """Which tower looks untrained, in words."""
        reasons = []
        if self.text_cosine > SAME_TEXT:
            reasons.append(
                'the text tower looks untrained: it gives nearly the same '
                f'embedding to every class (mean cosine {self.text_cosine:.3f}'
                f', suspicious above {SAME_TEXT})'
            )
        if self.image_auc < BLIND_IMAGE:
            reasons.append(
                'the image tower looks untrained: patches of one class are '
                'hardly more alike than patches of two (AUC '
                f'{self.image_auc:.2f}, suspicious below {BLIND_IMAGE})'
            )
        if not reasons:
            reasons.append(
                'each tower by itself looks trained (mean text cosine '
                f'{self.text_cosine:.3f}, patch AUC {self.image_auc:.2f}), '
                'but they do not understand each other: weights of different '
                'CLIPs, or an affinity and scale that the image tower was '
                'not trained with'
            )
        return '; '.join(reasons)


def _patch_labels(labels: Tensor, grid: tuple) -> Tensor:
    """(H, W) -> (h * w,) label at the centre of each patch."""
    return (
        F.interpolate(
            labels[None, None].float(), size=grid, mode='nearest-exact'
        )[0, 0]
        .long()
        .flatten()
    )


def patch_auc(patches: Tensor, labels: Tensor, most: int = 1024) -> float:
    """Chance that a pair of one class is nearer than a pair of two classes.

    Args:
        patches: (N, C) unit features.
        labels: (N,).
        most: Patches that are looked at, evenly taken.
    """
    step = max(1, len(patches) // most)
    patches, labels = patches[::step], labels[::step]
    upper = torch.triu_indices(len(labels), len(labels), 1)
    cosines = (patches @ patches.t())[upper[0], upper[1]]
    same = labels[upper[0]] == labels[upper[1]]
    count = int(same.sum())
    if not 0 < count < len(same):
        return 1.0  # one class alone: nothing to tell apart
    ranks = torch.empty(len(cosines), dtype=torch.float64)
    ranks[cosines.argsort()] = torch.arange(
        1, len(cosines) + 1, dtype=torch.float64
    )
    others = len(same) - count
    return float(
        (ranks[same].sum() - count * (count + 1) / 2) / (count * others)
    )


@torch.no_grad()
def probe_zero_shot(model, items: List[dict]) -> ZeroShotProbe:
    """Measure raw cosines, with no head, on a few items of a data set.

    Args:
        model: An :class:`OVCATSegmentor` with a vocabulary.
        items: What the data set returns, with ``gt_sem_seg``.
    """
    queries = model.known_queries()
    count, ignore = len(queries.classes), model.ignore_index
    owner = torch.tensor(queries.owner)
    training = model.training
    model.eval()
    text = model.text_embeddings()[:, 0].float()
    total = torch.zeros(3, count, dtype=torch.long)
    patches, patch_labels = [], []
    for item in items:
        data = model.data_preprocessor(pseudo_collate([item]), False)
        content = model.extract_feat(data['inputs']).content.float()
        labels = data['data_samples'][0].gt_sem_seg.data[0]
        unit = F.normalize(content, dim=1)
        scores = torch.einsum('bchw,qc->bqhw', unit, text)
        found = F.interpolate(
            scores, size=labels.shape, mode='bilinear', align_corners=False
        ).argmax(dim=1)[0]
        labels = labels.cpu().long()
        total += intersect_and_areas(owner[found.cpu()], labels, count, ignore)
        own = _patch_labels(labels, tuple(unit.shape[-2:]))
        known = own != ignore
        patches.append(unit[0].flatten(1).t().cpu()[known])
        patch_labels.append(own[known])
    model.train(training)
    intersect, predicted, target = total.double()
    seen = target > 0
    iou = 100 * intersect / (predicted + target - intersect)
    cosine = (text @ text.t()).cpu()
    apart = ~torch.eye(len(text), dtype=torch.bool)
    return ZeroShotProbe(
        miou=float(iou[seen].mean()) if bool(seen.any()) else float('nan'),
        text_cosine=float(cosine[apart].mean()) if len(text) > 1 else 0.0,
        image_auc=patch_auc(torch.cat(patches), torch.cat(patch_labels)),
    )


@HOOKS.register_module()
class ZeroShotGateHook(Hook):
    """Refuse to train on a CLIP whose raw features know no classes.

    A text tower with random weights is not noticed by the loss: the head
    learns the training classes all the same, and zero-shot mIoU ends near 1.
    Put it after the vocabulary hook. A resumed run is not looked at.

    Args:
        floor: mIoU in percent that raw cosines must reach, over the classes
            that occur.
        num_images: How many training pictures to look at.
    """

    def __init__(self, floor: float = 3.0, num_images: int = 16) -> None:
        if num_images < 1:
            raise ValueError(f'num_images must be 1 or more, got {num_images}')
        self.floor, self.num_images = floor, num_images

    def before_train(self, runner) -> None:
        """Raise where the floor is not reached."""
        if runner.iter > 0:
            return
        dataset = runner.train_dataloader.dataset
        step = max(1, len(dataset) // self.num_images)
        indices = range(0, len(dataset), step)[: self.num_images]
        with torch.random.fork_rng(devices=[]):
            items = [dataset[i] for i in indices]
            probe = probe_zero_shot(unwrap(runner), items)
        message = (
            f'raw features reach mIoU {probe.miou:.1f} on {len(items)} '
            f'training pictures (floor {self.floor}); mean text cosine '
            f'{probe.text_cosine:.3f}, patch AUC {probe.image_auc:.2f}.'
        )
        runner.logger.info(message)
        if not probe.miou >= self.floor:
            raise RuntimeError(
                f'{message} Training is refused: {probe.diagnosis}. Check '
                '`pretrained` of both encoders and the affinity and scale of '
                'image_encoder; lower ZeroShotGateHook.floor only if these '
                'are right.'
            )
