"""The classes of a data set reach the model that is measured on it."""

from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from ..engine.unwrap import unwrap
from ..engine.vocabulary import mark_names, settle_names

__all__ = ['SegVocabularyHook']


@HOOKS.register_module()
class SegVocabularyHook(Hook):
    """Hand classes, texts and colours of the data set to the model.

    A model that was given names by hand keeps them, with their texts, if they
    are the data set's; see :func:`~declip_mm.engine.vocabulary.settle_names`.
    """

    def _hand_over(self, runner, dataloader) -> None:
        model = unwrap(runner)
        own, dataset = model.vocabulary, dataloader.dataset
        if settle_names(model, own.classes if own else (), own, dataset):
            model.set_vocabulary(dataset.metainfo)
            mark_names(model, model.vocabulary)

    def before_val_epoch(self, runner) -> None:
        self._hand_over(runner, runner.val_dataloader)

    def before_test_epoch(self, runner) -> None:
        self._hand_over(runner, runner.test_dataloader)
