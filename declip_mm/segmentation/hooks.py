"""The classes of a data set reach the model that is measured on it."""

from typing import Optional

from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from ..engine.unwrap import unwrap

__all__ = ['SegVocabularyHook']


@HOOKS.register_module()
class SegVocabularyHook(Hook):
    """Hand classes, texts and colours of the data set to the model.

    Labels are positions in the data set's list, so a model that was given
    other names is refused; one that was given the same names keeps its own
    texts for them.
    """

    #: Names that this hook gave the model; these it may replace.
    _given: Optional[tuple] = None

    def _hand_over(self, runner, dataloader) -> None:
        model = unwrap(runner)
        meta = dataloader.dataset.metainfo
        names = tuple(meta.get('classes') or ())
        own = model.vocabulary and model.vocabulary.classes
        if own not in (None, names, self._given):
            raise ValueError(
                f'the model was given {len(own)} classes '
                f'({", ".join(own[:4])} ...), the data set has {len(names)} '
                f'({", ".join(names[:4])} ...), and labels are positions in '
                "the data set's list. Leave the model's vocabulary out."
            )
        if own != names:
            model.set_vocabulary(meta)
            self._given = names

    def before_val_epoch(self, runner) -> None:
        self._hand_over(runner, runner.val_dataloader)

    def before_test_epoch(self, runner) -> None:
        self._hand_over(runner, runner.test_dataloader)
