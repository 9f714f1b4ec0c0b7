"""Looks at the raw features before a long training begins."""

from typing import NamedTuple

import torch
import torch.nn as nn
from mmengine.dataset import pseudo_collate
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from ...engine.unwrap import unwrap
from ...evaluation.dense_iou import intersect_and_areas
from ...models.zero_shot.arg_max import best_query
from ...models.zero_shot.windows import ImageFeatures

__all__ = ['ZeroShotGateHook', 'ZeroShotProbe', 'probe_zero_shot']


class ZeroShotProbe(NamedTuple):
    """What the raw features of a model can do.

    Attributes:
        miou: Of raw cosines, over the classes that occur, in percent.
        text_cosine: Mean cosine between the texts of different classes.
        untrained: Towers whose norm layers are as they were made.
    """

    miou: float
    text_cosine: float
    untrained: tuple[str, ...]

    @property
    def diagnosis(self) -> str:
        """Which tower looks untrained, in words."""
        if self.untrained:
            return ' and '.join(
                f'the {name} tower looks untrained: all of its norm layers '
                'have weight 1 and bias 0, as a new one has'
                for name in self.untrained
            )
        return (
            'both towers look trained, but they do not understand each '
            'other: weights of different CLIPs, or an affinity and scale '
            'that the image tower was not trained with'
        )


def looks_untrained(tower: nn.Module) -> bool:
    """Whether every norm layer still is as it was made.

    Training moves them at once. How alike texts or patches are says less:
    the features of random towers also follow colours and words.
    """
    norms = [m for m in tower.modules() if isinstance(m, nn.LayerNorm)]
    return bool(norms) and all(
        bool((norm.weight == 1).all() and (norm.bias == 0).all())
        for norm in norms
        if norm.weight is not None and norm.bias is not None
    )


@torch.no_grad()
def probe_zero_shot(model, items: list[dict]) -> ZeroShotProbe:
    """Measure raw cosines, with no head, on a few items of a data set.

    Args:
        model: An :class:`OVCATSegmentor` with a vocabulary.
        items: What the data set returns, with ``gt_sem_seg``.
    """
    vocabulary = model.known_vocabulary()
    count, ignore = len(vocabulary.classes), model.ignore_index
    owner = torch.tensor(vocabulary.owner)
    training = model.training
    model.eval()
    text = model.text_embeddings()[:, 0].float()
    total = torch.zeros(3, count, dtype=torch.long)
    for item in items:
        data = model.data_preprocessor(pseudo_collate([item]), False)
        content = model.extract_feat(data['inputs']).content.float()
        labels = data['data_samples'][0].gt_sem_seg.data[0]
        features = ImageFeatures.of_map(content[0])
        size = tuple(labels.shape)
        found = best_query(features, text, size, 1.0, False).index
        labels = labels.cpu().long()
        total += intersect_and_areas(owner[found.cpu()], labels, count, ignore)
    model.train(training)
    intersect, predicted, target = total.double()
    seen = target > 0
    iou = 100 * intersect / (predicted + target - intersect)
    cosine = (text @ text.t()).cpu()
    apart = ~torch.eye(len(text), dtype=torch.bool)
    return ZeroShotProbe(
        miou=float(iou[seen].mean()) if bool(seen.any()) else float('nan'),
        text_cosine=float(cosine[apart].mean()) if len(text) > 1 else 0.0,
        untrained=tuple(
            name
            for name, tower in (
                ('image', model.backbone),
                ('text', model.text_encoder),
            )
            if looks_untrained(tower)
        ),
    )


@HOOKS.register_module()
class ZeroShotGateHook(Hook):
    """Refuse to train on a CLIP whose raw features know no classes.

    A text tower with random weights is not noticed by the loss: the head
    learns the training classes all the same, and new names mean nothing.
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
            f'{probe.text_cosine:.3f}.'
        )
        runner.logger.info(message)
        if not probe.miou >= self.floor:
            raise RuntimeError(
                f'{message} Training is refused: {probe.diagnosis}. Check '
                '`pretrained` of both encoders and the affinity and scale of '
                'backbone; lower ZeroShotGateHook.floor only if these '
                'are right.'
            )
