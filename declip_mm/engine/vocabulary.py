"""The names to tell apart come with the data set."""

from collections.abc import Iterable
from typing import Any

import torch.nn as nn
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from torch.utils.data import Dataset

from ..evaluation.classes import dataset_classes
from ..models.text import class_phrases, name_difference, name_key
from .unwrap import unwrap

__all__ = ['VocabularyHook', 'mark_names', 'settle_names']


def settle_names(
    model: nn.Module, own: Iterable[str], state: Any, dataset: Dataset
) -> list[str] | None:
    """Whose class names a model goes by: its own, or the data set's.

    Labels are positions in the data set's list. Names that a hook gave are
    replaced by those of the next data set. Names set by hand have to be the
    data set's, in its order; then they stay, with the texts that were given
    for them.

    Args:
        model: Remembers what :func:`mark_names` noted.
        own: Its class names, if it has any.
        state: Of its vocabulary; another object once names are set anew.
        dataset: That it works on.

    Returns:
        The data set's names, to be taken; None if the model keeps its own.

    Raises:
        ValueError: The data set names no classes, or others than those that
            were set by hand; both sides are named.
    """
    kind = type(dataset).__name__
    names = dataset_classes(dataset.metainfo, f'the model on {kind}')
    own, wanted = list(own), list(class_phrases(names))
    if not own or getattr(model, '_names_handed_over', None) is state:
        return names
    if [*map(name_key, own)] != [*map(name_key, wanted)]:
        difference = name_difference(
            own, wanted, 'the model', f'the data set ({kind})'
        )
        raise ValueError(
            'class names that were set by hand are not those of the data '
            f'set: {difference}. Labels are positions in the data '
            "set's list: leave the model's names out to take these, or give "
            'the same ones in the same order, with texts of your own.'
        )
    if getattr(model, '_names_kept', None) is not state:
        model._names_kept = state
        print_log(
            f'the {len(own)} class names that were set by hand are those of '
            f'{kind}; they stay, with the texts given for them.',
            logger='current',
        )
    return None


def mark_names(model: nn.Module, state: Any) -> None:
    """Note that the model's names, of this state, came from a data set."""
    model._names_handed_over = state


@HOOKS.register_module()
class VocabularyHook(Hook):
    """Give the predictor the class names of the data set under evaluation.

    See :func:`settle_names` for a predictor with names of its own.
    """

    def _hand_over(self, runner, dataloader) -> None:
        model = unwrap(runner)
        predictor = model.predictor
        names = settle_names(
            model, predictor.names, predictor.phrases, dataloader.dataset
        )
        if names is not None:
            predictor.set_vocabulary(names)
            mark_names(model, predictor.phrases)

    def before_val_epoch(self, runner) -> None:
        self._hand_over(runner, runner.val_dataloader)

    def before_test_epoch(self, runner) -> None:
        self._hand_over(runner, runner.test_dataloader)
