"""Classes of a segmentor, the texts that stand for them, their colours.

T classes, Q texts (queries).
"""

import logging
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.logging import print_log

from ..models.text import (
    class_phrases,
    name_key,
    parse_names,
    tidy,
    with_background,
)
from ..models.text.names import Phrases
from ..visualization.colours import Colour, class_palette

__all__ = ['SegVocabulary', 'Source', 'build_vocabulary', 'read_vocabulary']

#: Names, name -> texts, file, comma-separated list, registered data set, or
#: anything with ``metainfo``.
Source = str | Sequence[str] | Mapping[str, Sequence[str]] | Any


@dataclass(frozen=True)
class SegVocabulary:
    """What a segmentor tells apart.

    Attributes:
        classes: T class names, in the order of the labels.
        texts: Texts of each class; a pixel has the class of its best text.
        palette: Colour (R, G, B) of each class.
    """

    classes: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    palette: tuple[Colour, ...]

    @property
    def queries(self) -> tuple[str, ...]:
        """All texts, class by class."""
        return tuple(text for own in self.texts for text in own)

    @property
    def owner(self) -> tuple[int, ...]:
        """Class index of each query."""
        return tuple(i for i, own in enumerate(self.texts) for _ in own)

    @property
    def metainfo(self) -> dict[str, Any]:
        """What mmseg's visualizers and inferencers read."""
        return dict(
            classes=list(self.classes),
            palette=[list(colour) for colour in self.palette],
        )


def build_vocabulary(
    source: Source,
    texts: Mapping[str, Sequence[str]] | None = None,
    palette: Sequence[Sequence[int]] | None = None,
    background: str | Sequence[str] | None = None,
) -> SegVocabulary:
    """Make a vocabulary of nearly anything that has names.

    Args:
        source: Class names in the order of the labels; name -> texts; a file
            (see :func:`read_vocabulary`); ``'cat,dog'``; the name of a data
            set registered in mmseg; a data set or its ``metainfo``; a
            vocabulary.
        texts: Texts of some classes, instead of their names.
        palette: Colours; None takes the data set's, else makes them.
        background: Texts of one more class ``'background'``, which becomes
            label 0; see :func:`~declip_mm.models.text.with_background`.

    Raises:
        ValueError: Names that are empty or occur twice, texts of no class or
            the same texts for two classes, a palette of another length.
    """
    explicit, meta = read_vocabulary(source)
    names = list(explicit)
    for own in (meta.get('texts') or {}, texts or {}):
        explicit.update((tidy(name), phrases) for name, phrases in own.items())
    strangers = [name for name in explicit if name not in set(names)]
    if strangers:
        raise ValueError(
            f'texts are given for {strangers[:8]}, which are no class names. '
            f'The {len(names)} classes begin with {names[:5]}.'
        )
    phrases = class_phrases(with_background(explicit, background))
    names = list(phrases)
    _check_shared_texts(phrases)
    if palette is None and len(names) == len(explicit):
        palette = meta.get('palette')
    palette = palette or class_palette(names)
    if len(palette) != len(names):
        raise ValueError(
            f'the palette has {len(palette)} colours for {len(names)} '
            'classes; give one each, or none to have them made.'
        )
    return SegVocabulary(
        tuple(names),
        tuple(phrases.values()),
        tuple(tuple(int(part) for part in colour) for colour in palette),
    )


def read_vocabulary(
    source: Source | SegVocabulary,
) -> tuple[Phrases, Mapping[str, Any]]:
    """Name -> texts of a source, and metainfo if it has any."""
    if isinstance(source, SegVocabulary):
        texts = dict(zip(source.classes, source.texts))
        return texts, dict(palette=source.palette)
    meta = getattr(source, 'metainfo', None)
    if meta is None and isinstance(source, Mapping) and 'classes' in source:
        meta = source
    if meta is None and isinstance(source, str):
        meta = _registered(source)
    if meta is not None:
        if not meta.get('classes'):
            raise ValueError(
                f'{type(source).__name__} has no class names in its '
                "metainfo['classes'], so that labels have no meaning."
            )
        return class_phrases(meta['classes']), meta
    return parse_names(source), {}


def _registered(name: str) -> Mapping[str, Any] | None:
    """Metainfo of a data set that is registered under this name."""
    if not re.fullmatch(r'(\w+\.)?\w+', name):
        return None
    import mmseg.datasets  # noqa: F401  (registers them)
    from mmseg.registry import DATASETS

    return getattr(DATASETS.get(name), 'METAINFO', None)


def _check_shared_texts(phrases: Phrases) -> None:
    """Of classes with one text in common only the first can win it."""
    owners: dict[str, list[str]] = defaultdict(list)
    whole: dict[frozenset, list[str]] = defaultdict(list)
    for name, own in phrases.items():
        keys = frozenset(map(name_key, own))
        whole[keys].append(name)
        for key in keys:
            owners[key].append(name)
    same = [names for names in whole.values() if len(names) > 1]
    if same:
        raise ValueError(
            f'these classes have the same texts, so that no pixel could get '
            f'the second: {same[:8]}. Give them others, or remove all but '
            'one of each.'
        )
    shared = {t: names for t, names in owners.items() if len(names) > 1}
    if shared:
        shown = ', '.join(f'{t!r} for {n}' for t, n in [*shared.items()][:5])
        print_log(
            f'{len(shared)} texts stand for several classes, of which the '
            f'first gets the pixels: {shown}'
            f'{" and more" if len(shared) > 5 else ""}.',
            logger='current',
            level=logging.WARNING,
        )
