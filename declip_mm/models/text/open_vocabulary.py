"""What every model does whose class names are free."""

from typing import Any, ClassVar

from ...deprecation import renamed_arguments
from .embedder import TextEmbedder
from .prompts import Prompts
from .vocabulary import Source, Vocabulary

__all__ = ['OpenVocabulary']


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
            ValueError: See :meth:`Vocabulary.of` and
                :meth:`TextEmbedder.use_prompts`; nothing has changed then.
        """
        vocabulary = self._read_vocabulary(source, **options)
        before = self.embedder.prompts
        if prompts is not None:
            self.embedder.use_prompts(prompts)
        try:
            self._use_vocabulary(vocabulary)
        except Exception:
            self.embedder.prompts = before
            raise
        self.vocabulary = vocabulary
        return vocabulary

    def _read_vocabulary(self, source: Source, **options: Any) -> Vocabulary:
        """For models that read more kinds of sources."""
        return Vocabulary.of(source, **options)

    def _use_vocabulary(self, vocabulary: Vocabulary) -> None:
        """For models that prepare themselves, or fail unchanged."""

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
