"""What every model does whose class names are free."""

from typing import Any, ClassVar

from ...deprecation import renamed_arguments
from .embedder import TextEmbedder
from .prompts import Prompts, get_prompts
from .vocabulary import Source, Vocabulary

__all__ = ['OpenVocabulary', 'PredictsByName']


class OpenVocabulary:
    """A model with a vocabulary, which may change at any time.

    Names are no part of a model's weights: :meth:`set_vocabulary` sets them
    before or after weights are loaded, between training and testing; in a
    run :class:`~declip_mm.engine.VocabularyHook` does.

    Attributes:
        vocabulary: What it tells apart; None until it is set.
        embedder: Where the rows of names come from.
    """

    #: Whether the names of a training set are taken, too.
    trains_on_names: ClassVar[bool] = False

    vocabulary: Vocabulary | None = None
    embedder: TextEmbedder

    @renamed_arguments(names='source', phrases='texts', templates='prompts')
    def set_vocabulary(
        self, source: Source, *, prompts: Prompts | None = None, **options: Any
    ) -> Vocabulary:
        """Tell these classes apart from now on.

        Args:
            source: Names in a list, a file or ``'cat,dog'``; name -> texts;
                ``metainfo`` or what has it; a vocabulary.
            prompts: Other prompts than before.
            options: Of :meth:`Vocabulary.of`: ``texts``, ``base``,
                ``background``, ``synonyms`` ...

        Returns:
            The vocabulary.

        Raises:
            ValueError: See :meth:`Vocabulary.of`.
        """
        vocabulary = self._read_vocabulary(source, **options)
        if prompts is not None:
            self.embedder.prompts = get_prompts(prompts)
        self._use_vocabulary(vocabulary)
        self.vocabulary = vocabulary
        return vocabulary

    def _read_vocabulary(self, source: Source, **options: Any) -> Vocabulary:
        """For models that read more kinds of sources."""
        return Vocabulary.of(source, **options)

    def _use_vocabulary(self, vocabulary: Vocabulary) -> None:
        """For models that prepare themselves; a failure changes nothing."""

    def known_vocabulary(self) -> Vocabulary:
        """The vocabulary.

        Raises:
            ValueError: There is none yet.
        """
        if self.vocabulary is None:
            raise ValueError(
                f'{type(self).__name__} has no class names: call '
                "set_vocabulary(['cat', 'dog']), or add "
                "dict(type='VocabularyHook') to custom_hooks to take those "
                'of the data set.'
            )
        return self.vocabulary


class PredictsByName:
    """A model whose vocabulary is that of its predictor.

    Attributes:
        predictor: With an :class:`OpenVocabulary`; None has no names.
    """

    trains_on_names: ClassVar[bool] = False
    predictor: OpenVocabulary | None

    @property
    def vocabulary(self) -> Vocabulary | None:
        """What the predictor tells apart."""
        return None if self.predictor is None else self.predictor.vocabulary

    @property
    def embedder(self) -> TextEmbedder | None:
        """Where its rows come from."""
        return None if self.predictor is None else self.predictor.embedder

    def set_vocabulary(self, source: Source, **options: Any) -> Vocabulary:
        """See :meth:`OpenVocabulary.set_vocabulary`."""
        if self.predictor is None:
            raise ValueError(
                f'{type(self).__name__} has no predictor, which names need: '
                "set predictor=dict(type='OpenVocabPredictor', ...) in the "
                'model.'
            )
        return self.predictor.set_vocabulary(source, **options)
