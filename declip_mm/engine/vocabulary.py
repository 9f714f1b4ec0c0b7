"""The names to tell apart come with the data set."""

import logging
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop
from torch import nn
from torch.utils.data import Dataset

from ..deprecation import register_old_name
from ..evaluation.classes import dataset_classes
from ..models.text import name_difference, name_key
from ..models.text.open_vocabulary import OpenVocabulary
from ..models.text.prompts import Prompts
from ..models.text.vocabulary import Vocabulary
from .unwrap import unwrap

__all__ = ['NounHook', 'VocabularyHook', 'hand_over_names']


def hand_over_names(
    model: nn.Module,
    dataset: Dataset,
    given: Vocabulary | None = None,
    **options: Any,
) -> Vocabulary | None:
    """Give a model the class names of a data set; or keep its own.

    Labels are positions in the data set's list. Names that were set by hand
    have to be the data set's, in its order; then they stay, with the texts
    that were given for them, and learn which classes have annotations, unless
    they were told. The data set's ignore index is taken in any case.

    Args:
        model: With ``vocabulary`` and ``set_vocabulary``, see
            :class:`~declip_mm.models.text.open_vocabulary.OpenVocabulary`.
        dataset: That it works on.
        given: The vocabulary that an earlier data set gave.
        options: Further ones of ``set_vocabulary``.

    Returns:
        The vocabulary that was given; None if the model keeps its own.

    Raises:
        ValueError: The data set names no classes, or others than those that
            were set by hand; both sides are named.
    """
    kind = type(dataset).__name__
    meta = dataset.metainfo
    dataset_classes(meta, f'the model on {kind}')
    if hasattr(model, 'ignore_index'):
        model.ignore_index = meta.get('ignore_index', model.ignore_index)
    own = model.vocabulary
    if own is None or own is given:
        return model.set_vocabulary(meta, **options)
    wanted = Vocabulary.of(meta)
    if [*map(name_key, own.classes)] != [*map(name_key, wanted.classes)]:
        difference = name_difference(
            own.classes, wanted.classes, 'the model', f'the data set ({kind})'
        )
        raise ValueError(
            'class names that were set by hand are not those of the data '
            f'set: {difference}. Labels are positions in the data '
            "set's list: leave the model's names out to take these, or give "
            'the same ones in the same order, with texts of your own.'
        )
    if own.base is None and wanted.base is not None:
        base = [n for n, known in zip(own.classes, wanted.is_base) if known]
        # its texts have been read already
        own = model.set_vocabulary(own, base=base, synonyms=None)
    if getattr(model, '_names_kept', None) is not own:
        model._names_kept = own  # said once
        unused = f'; {options} of the hook are not used' if options else ''
        print_log(
            f'the {len(own.classes)} class names that were set by hand are '
            f'those of {kind}; they stay, with the texts given for '
            f'them{unused}.',
            logger='current',
            level=logging.WARNING if options else logging.INFO,
        )
    return None


@HOOKS.register_module()
class VocabularyHook(Hook):
    """Give the model the class names of the data set at hand.

    Training, validation and test may each have other classes; models that
    train on names take those of the training set, too. See
    :func:`hand_over_names` for a model with names of its own.

    Args:
        train: Further arguments of ``set_vocabulary`` in training, such as
            ``texts`` or ``synonyms``.
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
        self._given: Vocabulary | None = None
        #: Of the stages that name none, where others do.
        self._prompts: Prompts | None = None

    def _hand_over(self, runner, stage: str) -> None:
        dataset = getattr(runner, f'{stage}_dataloader').dataset
        model, options = unwrap(runner), self.more[stage]
        if any(
            {'prompts', 'templates'} & {*more} for more in self.more.values()
        ):
            embedder = model.embedder  # None: refused below
            self._prompts = self._prompts or (embedder and embedder.prompts)
            if model.vocabulary is self._given and 'templates' not in options:
                options = {'prompts': self._prompts, **options}
        self._given = hand_over_names(model, dataset, self._given, **options)

    def before_train(self, runner) -> None:
        if getattr(unwrap(runner), 'trains_on_names', False):
            self._hand_over(runner, 'train')

    def before_train_epoch(self, runner) -> None:
        # validation may have been on other classes
        self.before_train(runner)

    def before_val_epoch(self, runner) -> None:
        self._hand_over(runner, 'val')

    def after_val_epoch(self, runner, metrics: dict | None = None) -> None:
        # one that is not built yet would be, for names alone
        if isinstance(getattr(runner, '_train_loop', None), BaseLoop):
            self.before_train(runner)

    def before_test_epoch(self, runner) -> None:
        self._hand_over(runner, 'test')


@HOOKS.register_module()
class NounHook(Hook):
    """Give a :class:`NounTeacher` the class names of the training set."""

    def before_train(self, runner) -> None:
        teacher = unwrap(runner).content_teacher
        if not isinstance(teacher, OpenVocabulary):
            raise ValueError(
                'NounHook has nouns for a NounTeacher, but the content '
                f'teacher is a {type(teacher).__name__}.'
            )
        hand_over_names(teacher, runner.train_dataloader.dataset)


for _old in ('Seg', 'Det', 'CATSeg'):
    register_old_name(HOOKS, f'{_old}VocabularyHook', VocabularyHook)
