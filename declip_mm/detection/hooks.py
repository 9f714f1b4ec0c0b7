"""The detector learns its class names from the data set."""

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

__all__ = ['DetVocabularyHook']


@HOOKS.register_module()
class DetVocabularyHook(Hook):
    """Give the detector the classes of the data set at hand.

    ``metainfo['classes']`` are the names; ``metainfo['base_classes']`` those
    that had annotations. Without the latter all count as base, which is how
    a model is transferred to another data set.
    """

    def _hand_over(self, runner, dataloader) -> None:
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        meta = dataloader.dataset.metainfo
        if not meta.get('classes'):
            raise ValueError(
                f'{type(dataloader.dataset).__name__} has no class names in '
                "its metainfo['classes']; nothing can be detected."
            )
        model.set_vocabulary(
            meta['classes'], meta.get('base_classes'), meta.get('phrases')
        )

    def before_train_epoch(self, runner) -> None:
        # validation may have been on other classes
        self._hand_over(runner, runner.train_dataloader)

    def before_val_epoch(self, runner) -> None:
        self._hand_over(runner, runner.val_dataloader)

    def before_test_epoch(self, runner) -> None:
        self._hand_over(runner, runner.test_dataloader)
