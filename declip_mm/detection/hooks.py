"""The detector learns its class names from the data set."""

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from torch import nn
from torch.utils.data import Dataset

from ..engine.unwrap import unwrap
from ..engine.vocabulary import mark_names, settle_names

__all__ = ['DetVocabularyHook', 'take_names']


def take_names(model: nn.Module, dataset: Dataset) -> None:
    """Give a detector the class names of a data set.

    Raises:
        ValueError: The data set has none, or others than those that were set
            by hand.
    """
    names = settle_names(model, model.names, model.set_with, dataset)
    meta = dataset.metainfo
    if names is None:
        own, base, _ = model.set_with
        if base is None:  # which classes had annotations, the data know
            model.set_vocabulary(dict(own), meta.get('base_classes'))
        return
    phrases = meta.get('phrases') or {}
    model.set_vocabulary(
        names,
        meta.get('base_classes'),
        {name: own for name, own in phrases.items() if name in names},
    )
    mark_names(model, model.set_with)


@HOOKS.register_module()
class DetVocabularyHook(Hook):
    """Give the detector the classes of the data set at hand.

    ``metainfo['classes']`` are the names; ``metainfo['base_classes']`` those
    that had annotations. Without the latter all count as base, which is how
    a model is transferred to another data set.
    """

    def before_train_epoch(self, runner) -> None:
        # validation may have been on other classes
        take_names(unwrap(runner), runner.train_dataloader.dataset)

    def before_val_epoch(self, runner) -> None:
        take_names(unwrap(runner), runner.val_dataloader.dataset)

    def before_test_epoch(self, runner) -> None:
        take_names(unwrap(runner), runner.test_dataloader.dataset)
