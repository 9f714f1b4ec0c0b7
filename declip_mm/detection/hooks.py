"""The detector learns its class names from the data set."""

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from torch import nn
from torch.utils.data import Dataset

from ..engine.unwrap import unwrap

__all__ = ['DetVocabularyHook', 'take_names']


def take_names(model: nn.Module, dataset: Dataset) -> None:
    """Give a detector the class names of a data set.

    Raises:
        ValueError: The data set has none.
    """
    meta = dataset.metainfo
    if not meta.get('classes'):
        raise ValueError(
            f'{type(dataset).__name__} has no class names in its '
            "metainfo['classes']; nothing can be detected."
        )
    model.set_vocabulary(
        meta['classes'], meta.get('base_classes'), meta.get('phrases')
    )


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
