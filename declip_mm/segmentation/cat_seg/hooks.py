"""Which classes a CAT-Seg model tells apart while it trains and is tested."""

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmseg.registry import HOOKS

from ...engine.unwrap import unwrap
from ...engine.vocabulary import mark_names, settle_names

__all__ = ['CATSegVocabularyHook']


@HOOKS.register_module()
class CATSegVocabularyHook(Hook):
    """Hand the classes of the data set at work to the model.

    Training, validation and test may each have other classes; labels are
    positions in the list of their data set, whose ignore index the model
    takes, too. A model that was given names by hand keeps them, with their
    texts, if they are the data set's; see
    :func:`~declip_mm.engine.vocabulary.settle_names`.

    Args:
        train: Further arguments of ``set_vocabulary`` in training, such as
            ``texts`` (over those of the data set) or ``synonyms``.
        val: The same in validation.
        test: The same in testing.
    """

    def __init__(
        self,
        train: dict | None = None,
        val: dict | None = None,
        test: dict | None = None,
    ) -> None:
        self.more = dict(train=train or {}, val=val or {}, test=test or {})

    def _hand_over(self, runner, stage: str, dataloader) -> None:
        model = unwrap(runner)
        dataset, own = dataloader.dataset, model.queries
        meta = dataset.metainfo
        if settle_names(model, own.classes if own else (), own, dataset):
            model.set_vocabulary(**{'source': meta, **self.more[stage]})
            mark_names(model, model.queries)
        elif self.more[stage]:
            print_log(
                f'CATSegVocabularyHook: {stage}={self.more[stage]} is not '
                'used, the names that were set by hand stay as they are.',
                logger='current',
                level=30,
            )
        model.ignore_index = meta.get('ignore_index', model.ignore_index)

    def before_train(self, runner) -> None:
        self._hand_over(runner, 'train', runner.train_dataloader)

    def before_val_epoch(self, runner) -> None:
        self._hand_over(runner, 'val', runner.val_dataloader)

    def after_val_epoch(self, runner, metrics: dict | None = None) -> None:
        if getattr(runner, '_train_loop', None) is not None:
            self._hand_over(runner, 'train', runner.train_dataloader)

    def before_test_epoch(self, runner) -> None:
        self._hand_over(runner, 'test', runner.test_dataloader)
