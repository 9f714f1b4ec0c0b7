"""Class names of a segmentor, and the colours they are drawn in."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..models.text.open_vocabulary import OpenVocabulary
from ..models.text.vocabulary import Source, Vocabulary
from ..visualization.colours import class_palette

__all__ = ['SegmentsByName', 'with_registered']


class SegmentsByName(OpenVocabulary):
    """A segmentor with a vocabulary: a pixel has the class of its best text.

    Attributes:
        dataset_meta: Classes and colours, which mmseg's visualizers and
            inferencers read.
    """

    dataset_meta: dict

    def set_vocabulary(
        self,
        source: Source,
        *,
        palette: Sequence[Sequence[int]] | None = None,
        **options: Any,
    ) -> Vocabulary:
        """See :meth:`OpenVocabulary.set_vocabulary`.

        Args:
            source: Also the name of a data set that is registered in mmseg.
            palette: Colours (R, G, B); None takes the data set's, else those
                that these classes have already, else makes them.
            options: Of :meth:`Vocabulary.of`, and ``prompts``.
        """
        source = with_registered(source)
        before = self.vocabulary, self.embedder.prompts
        made = super().set_vocabulary(source, **options)
        if palette is None:
            palette = self._own_palette(source, made.classes)
        try:
            colours = _checked_palette(palette, len(made.classes))
        except ValueError:
            self.vocabulary, self.embedder.prompts = before
            raise
        self.dataset_meta = dict(classes=list(made.classes), palette=colours)
        return made

    def _own_palette(
        self, source: Source, classes: Sequence[str]
    ) -> Sequence[Sequence[int]]:
        meta = getattr(source, 'metainfo', source)
        found = meta.get('palette') if isinstance(meta, Mapping) else None
        if found is not None and len(found) == len(classes):
            return found
        if self.dataset_meta.get('classes') == list(classes):
            return self.dataset_meta['palette']
        return class_palette(classes)

    def _use_vocabulary(self, vocabulary: Vocabulary) -> None:
        vocabulary.warn_of_shared_texts()

    def _init_vocabulary(self, vocabulary: Source | None) -> None:
        """What a config says: names, or arguments of the above."""
        self.dataset_meta = {}
        if isinstance(vocabulary, Mapping) and 'source' in vocabulary:
            self.set_vocabulary(**vocabulary)
        elif vocabulary is not None:
            self.set_vocabulary(vocabulary)


def _checked_palette(
    palette: Sequence[Sequence[int]], count: int
) -> list[list[int]]:
    if len(palette) != count:
        raise ValueError(
            f'the palette has {len(palette)} colours for {count} classes; '
            'give one each, or none to have them made.'
        )
    try:
        found = [[int(part) for part in colour] for colour in palette]
    except (TypeError, ValueError) as error:
        raise ValueError(
            f'a colour is three numbers (R, G, B); the palette is '
            f'{palette!r:.80}.'
        ) from error
    return found


def with_registered(source: Source) -> Source:
    """The metainfo of a data set that is registered under this name."""
    if not isinstance(source, str) or not re.fullmatch(r'(\w+\.)?\w+', source):
        return source
    import mmseg.datasets  # noqa: F401  (registers them)
    from mmseg.registry import DATASETS

    return getattr(DATASETS.get(source), 'METAINFO', None) or source
