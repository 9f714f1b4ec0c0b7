"""The names to tell apart come with the data set."""

from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from .unwrap import unwrap

__all__ = ['VocabularyHook']


@HOOKS.register_module()
class VocabularyHook(Hook):
    """Give the predictor the class names of the data set under evaluation.

    A predictor with names of its own keeps them only if they are the data
    set's: labels are positions in the data set's list.
    """

    def _hand_over(self, runner, dataloader) -> None:
        model = unwrap(runner)
        names = list(dataloader.dataset.metainfo.get('classes') or ())
        if not names:
            raise ValueError(
                f'{type(dataloader.dataset).__name__} has no class names in '
                "its metainfo['classes']; predictions cannot be scored."
            )
        own = model.predictor.names
        fixed = getattr(self, '_given', None)
        if own and own != names and own != fixed:
            wrong = next(
                (pair for pair in zip(own, names) if pair[0] != pair[1]),
                (f'{len(own)} names', f'{len(names)} names'),
            )
            raise ValueError(
                'the predictor and the data set disagree on class names: '
                f'predictor {wrong[0]!r}, data set {wrong[1]!r}. Leave '
                "the predictor's classes out to take the data set's."
            )
        model.predictor.set_vocabulary(names)
        self._given = names

    def before_val_epoch(self, runner) -> None:
        self._hand_over(runner, runner.val_dataloader)

    def before_test_epoch(self, runner) -> None:
        self._hand_over(runner, runner.test_dataloader)
