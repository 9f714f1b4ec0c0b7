"""The texts that queries look for, of a training step and at test time.

K classes, C joint dimension; class K is the wildcard.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...models.text.vocabulary import Vocabulary
from ..frozen_clip import OnFrozenCLIP
from .step_classes import choose_classes, refuse_novel, relabel
from .targets import Targets

__all__ = ['QueryTexts']


class QueryTexts(OnFrozenCLIP):
    """Mixin of :class:`~.detector.OVDQUO`: its side of texts."""

    train_classes: int
    novel_names: bool
    level_embed: Any

    def _use_vocabulary(self, vocabulary: Vocabulary) -> None:
        self.embedder.check(self.backbone)  # its file is known by now
        self.embedder.class_rows(
            vocabulary, self._device, self.backbone.visual.out_dim
        )

    @property
    def _device(self) -> torch.device:
        return self.level_embed.device

    def _text(self) -> Tensor:
        """(K + 1, C) unit rows, the wildcard's last.

        No buffer: averaged copies of the model have the same, of any length.
        """
        return self.embedder.class_rows(self.known_vocabulary(), self._device)

    def _is_base(self) -> Tensor:
        known = self.known_vocabulary().is_base
        return torch.tensor(known, device=self._device)

    def step_classes(
        self, targets: Sequence[Targets]
    ) -> tuple[list[Targets], Tensor]:
        """Objects and texts of a training step.

        Args:
            targets: Objects of each picture, labels among all classes.

        Returns:
            Objects with labels among the k classes of the step, and (k + 1,
            C) rows, the wildcard's last.

        Raises:
            ValueError: An object is of a novel class.
        """
        text, is_base = self._text(), self._is_base()
        refuse_novel(targets, is_base, self.names)
        allowed = is_base.nonzero().flatten()
        if self.novel_names:
            allowed = torch.arange(len(is_base), device=is_base.device)
        classes = choose_classes(targets, allowed, self.train_classes)
        found = [relabel(t, classes) for t in targets]
        return found, torch.cat([text[classes], text[-1:]])
