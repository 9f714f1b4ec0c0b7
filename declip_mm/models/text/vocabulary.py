"""What a model tells apart: its classes, and the texts that stand for them.

K classes, Q texts.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmengine.logging import print_log

from ...deprecation import say_renamed
from .background import with_background
from .name_lists import parse_names
from .names import (
    Names,
    Phrases,
    class_phrases,
    name_key,
    synonyms_of,
    tidy,
)

__all__ = ['READINGS', 'Source', 'Vocabulary']

#: Names in a list, a file or ``'cat,dog'``; name -> texts; ``metainfo`` or
#: what has it, such as a data set; a vocabulary.
Source = str | Names | Mapping[str, Any] | Any

#: How ``'bag, purse'`` is read: the first word alone (CAT-Seg), as synonyms,
#: or as a text each. None: as it stands.
READINGS = ('first', 'average', 'all')


@dataclass(frozen=True)
class Vocabulary:
    """Classes, in the order of their labels, and their texts.

    A class has one text or several. A model that names regions takes the
    mean of their embeddings, one that names pixels the best of them. A text
    may be several synonyms, ``'sofa|couch'``, which are always averaged.

    Attributes:
        classes: K names.
        texts: Texts of each class.
        base: Classes that had annotations in training; None: unknown, which
            counts as all.
    """

    classes: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    base: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls,
        source: Source,
        *,
        texts: Mapping[str, Sequence[str]] | None = None,
        more_texts: Mapping[str, Sequence[str]] | None = None,
        base: Sequence[str] | None = None,
        background: str | Sequence[str] | None = None,
        synonyms: str | None = None,
        separator: str = ', ',
    ) -> 'Vocabulary':
        """Make a vocabulary of nearly anything that has names.

        Args:
            source: See :data:`Source`. Of ``metainfo`` are read ``classes``,
                ``texts`` and ``base_classes``.
            texts: Texts of some classes, instead of those of the source.
            more_texts: Further texts of some classes.
            base: Classes with annotations, instead of the source's.
            background: Texts of one more class ``'background'``, which
                becomes label 0; see :func:`with_background`.
            synonyms: How texts with ``separator`` are read: :data:`READINGS`.
            separator: Between the words of a text.

        Raises:
            ValueError: Names that are empty or occur twice; texts of no
                class, or the same texts for two; base classes that are none.
        """
        phrases, known = _read(source)
        given = _by_class(texts or {}, phrases)
        strangers = [name for name in given if name not in phrases]
        if strangers:
            raise ValueError(
                f'texts are given for {strangers[:8]}, which are no class '
                f'names. The {len(phrases)} classes begin with '
                f'{list(phrases)[:5]}.'
            )
        phrases = class_phrases({**phrases, **given}, more_texts)
        phrases = class_phrases(with_background(phrases, background))
        _check_same_texts(phrases)
        made = cls(
            tuple(phrases),
            tuple(phrases.values()),
            _checked_base(known if base is None else base, phrases),
        )
        return made if synonyms is None else made.read_as(synonyms, separator)

    @property
    def phrases(self) -> Phrases:
        """Class name -> its texts."""
        return dict(zip(self.classes, self.texts))

    @property
    def queries(self) -> tuple[str, ...]:
        """All Q texts, class by class."""
        return tuple(text for own in self.texts for text in own)

    @property
    def owner(self) -> tuple[int, ...]:
        """(Q,) Class index of each text."""
        return tuple(i for i, own in enumerate(self.texts) for _ in own)

    @property
    def is_base(self) -> tuple[bool, ...]:
        """(K,) Whether a class had annotations in training."""
        base = set(self.classes if self.base is None else self.base)
        return tuple(name in base for name in self.classes)

    def read_as(self, synonyms: str, separator: str = ', ') -> 'Vocabulary':
        """With texts like ``'bag, purse'`` read as :data:`READINGS` says."""
        if synonyms not in READINGS:
            raise ValueError(
                f'synonyms={synonyms!r} is unknown; allowed: {READINGS}.'
            )
        texts = []
        for own in self.texts:
            read: list[str] = []
            for text in own:
                words = [w.strip() for w in text.split(separator)]
                words = [word for word in words if word]
                if synonyms == 'average':
                    words = ['|'.join(words)]
                read += words[:1] if synonyms == 'first' else words
            texts.append(tuple(read))
        return replace(self, texts=tuple(texts))

    def warn_of_shared_texts(self) -> None:
        """Of classes with one text in common only the first can win it."""
        owners: dict[str, list[str]] = defaultdict(list)
        for name, own in self.phrases.items():
            for key in dict.fromkeys(map(name_key, own)):
                owners[key].append(name)
        shared = {t: names for t, names in owners.items() if len(names) > 1}
        if shared:
            some = [*shared.items()][:5]
            shown = ', '.join(f'{text!r} for {names}' for text, names in some)
            print_log(
                f'{len(shared)} texts stand for several classes, of which the '
                f'first gets the pixels: {shown}'
                f'{" and more" if len(shared) > 5 else ""}.',
                logger='current',
                level=logging.WARNING,
            )


def _read(source: Source) -> tuple[Phrases, Sequence[str] | None]:
    """Class -> texts of a source, and which it says are base."""
    if isinstance(source, Vocabulary):
        return source.phrases, source.base
    meta = getattr(source, 'metainfo', None)
    if meta is None and isinstance(source, Mapping) and 'classes' in source:
        meta = source  # metainfo itself
    if meta is None:
        return parse_names(source), None
    if not meta.get('classes'):
        raise ValueError(
            f'{type(source).__name__} has no class names in its '
            "metainfo['classes'], so that labels have no meaning."
        )
    phrases = class_phrases(meta['classes'])
    if meta.get('phrases'):
        say_renamed('metainfo', 'phrases', 'texts')
    # of classes that a config has left out there may be texts
    own = {**(meta.get('phrases') or {}), **(meta.get('texts') or {})}
    own = _by_class(own, phrases)
    own = {name: texts for name, texts in own.items() if name in phrases}
    return class_phrases({**phrases, **own}), meta.get('base_classes')


def _by_class(found: Mapping[str, Any], phrases: Phrases) -> dict[str, Any]:
    """With the names of classes; ``'sofa|couch'`` is called by the first."""
    tidied = {tidy(name): value for name, value in found.items()}
    return {
        name if name in phrases else synonyms_of(name)[0]: value
        for name, value in tidied.items()
    }


def _checked_base(
    base: Sequence[str] | None, phrases: Phrases
) -> tuple[str, ...] | None:
    if base is None:
        return None
    if isinstance(base, str):
        raise ValueError(
            f'base must be a list of class names, got the one string '
            f'{base!r}. Write [{base!r}].'
        )
    base = tuple(_by_class(dict.fromkeys(base), phrases))
    strangers = sorted(set(base) - set(phrases))
    if strangers:
        raise ValueError(
            f'base classes {strangers[:8]} are not among the {len(phrases)} '
            'class names.'
        )
    return base


def _check_same_texts(phrases: Phrases) -> None:
    whole: dict[frozenset, list[str]] = defaultdict(list)
    for name, own in phrases.items():
        # no order of synonyms makes another mean
        keys = (frozenset(map(name_key, synonyms_of(text))) for text in own)
        whole[frozenset(keys)].append(name)
    same = [names for names in whole.values() if len(names) > 1]
    if same:
        raise ValueError(
            'these classes have the same texts, so that nothing could get '
            f'the second: {same[:8]}. Give them others, or remove all but '
            'one of each.'
        )
