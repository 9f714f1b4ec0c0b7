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

    def _check_wildcard(self) -> None:
        """Refuse an embedder without one, or a file with another."""
        wanted, file = self.embedder.background, self.embedder.file
        if wanted is None:
            raise ValueError(
                'embedder.background is None: the wildcard needs a text. '
                "Leave it out for 'object'."
            )
        found = (file and file.fingerprint.get('background')) or wanted
        if found != wanted:
            raise ValueError(
                f'the last row of {self.embedder.embeddings} is of '
                f'{found!r}, the wildcard is {wanted!r}. Dump it anew with '
                'tools/misc/class_embeddings.py --background '
                f'{wanted!r}, or say embedder.background={found!r}.'
            )

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
