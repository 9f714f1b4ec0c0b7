"""What a class name is: how it is read, and what is refused.

Every consumer of names (region predictor, segmentors, detector, inferencers,
hooks, tools) goes through :func:`class_phrases`; names in a text or a file
are taken apart in ``name_lists`` first.
"""

import html
import logging
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from mmengine.logging import print_log

__all__ = [
    'Names',
    'Phrases',
    'class_phrases',
    'clean_name',
    'name_key',
    'separated',
    'synonyms_of',
    'tidy',
    'unquoted',
]

#: Class names, or class name -> the phrases that stand for it. An entry of a
#: sequence may hold several phrases: ``'person; man'`` or a list of them. A
#: phrase may be several synonyms, ``'sofa|couch'``.
Names = Sequence[str | Sequence[str]] | Mapping[str, Sequence[str]]

#: Class name -> its phrases, in class order.
Phrases = dict[str, tuple[str, ...]]

#: Between the phrases of one class, in an entry of a list or file.
BETWEEN_PHRASES = ';'

#: Between synonyms, which are one text: the mean of their embeddings. (Not
#: the bars of a special token, ``<|endoftext|>``.)
_BETWEEN_SYNONYMS = re.compile(r'\s*(?<!<)\|(?!>)\s*')

#: Zero-width space, word joiner, byte order mark, soft hyphen. The joiners
#: of emoji and of some scripts stay.
_INVISIBLE = dict.fromkeys(map(ord, '\u200b\u2060\ufeff\xad'))

_DOTS = "' . '"
#: What other tools put between names, and how to call it. A dot is one where
#: blanks surround it, or where it ends a word of three small letters or more
#: (so not in 'St. Bernard').
_SEPARATORS = (
    ('line breaks', re.compile(r'\s*[\r\n]+\s*')),
    ('tabs', re.compile(r'\s*\t\s*')),
    (_DOTS, re.compile(r'\s+\.(?:\s+|$)|(?<=[a-z]{3})\.\s+')),
    ('full-width commas', re.compile('\\s*[\uff0c\u3001]\\s*')),
)
_QUOTES = {'"': '"', "'": "'", '\u201c': '\u201d', '\u2018': '\u2019'}
_NUMBERED = re.compile(r'(\d+)(\s*[:.)]\s*|\s+)(?=\S)')
_WORDNET = re.compile(r'n\d{8}[\s:,]+(?=\S)')


def tidy(text: str) -> str:
    """A text without what nobody sees.

    Composed characters (NFC), one blank between words, no byte order mark and
    nothing of zero width, ``&`` for ``&amp;``.
    """
    text = html.unescape(text).translate(_INVISIBLE)
    text = unicodedata.normalize('NFC', text)
    return ' '.join(text.split())


def clean_name(name: str) -> str:
    """``'Stop_Sign'`` -> ``'stop sign'``, as ViLD writes names.

    ``_`` becomes a blank, ``/`` becomes `` or ``; lower case; trailing dots
    go. Parentheses (LVIS) stay.
    """
    name = tidy(name).replace('_', ' ').replace('/', ' or ').lower()
    return ' '.join(name.rstrip('.').split())


def name_key(name: str) -> str:
    """Equal for two names that read the same to every text tower.

    A tower may find more names equal: its tokens are compared where it is at
    hand (:func:`~declip_mm.models.text.tokenizer.tokens_alike`).
    """
    wide = '\uff00', '\uffef'
    narrow = (
        unicodedata.normalize('NFKC', c) if wide[0] <= c <= wide[1] else c
        for c in name
    )
    return clean_name(''.join(narrow))


def synonyms_of(text: str) -> tuple[str, ...]:
    """``'sofa|couch'`` -> ``('sofa', 'couch')``; most texts are one."""
    return tuple(_BETWEEN_SYNONYMS.split(text))


def _tidy_bars(text: str) -> str:
    return '|'.join(synonyms_of(tidy(text)))


def separated(text: str) -> tuple[str, list[str]] | None:
    """How other tools' separators part a text, if any is in it.

    Returns:
        What the separator is called, and the parts; None if there is none.
    """
    for called, pattern in _SEPARATORS:
        parts = [p.strip() for p in pattern.split(text.strip())]
        if called == _DOTS:
            parts = [p.rstrip('. ') for p in parts]
        parts = [p for p in parts if p]
        if len(parts) > 1:
            return called, parts
    return None


def class_phrases(
    names: Names, synonyms: Mapping[str, Sequence[str]] | None = None
) -> Phrases:
    """Phrases that stand for each class.

    Args:
        names: Class names in class order; an entry ``'person; man'`` or
            ``['person', 'man']`` is one class of two phrases, called by the
            first, and ``'sofa|couch'`` one of a phrase of two synonyms,
            called by the first of them. A mapping gives the phrases of each
            class instead of its name (``{'wall-other-merged': ['wall']}``).
        synonyms: Further phrases of some classes, beside those above.

    Returns:
        Class name -> phrases without repetition; the keys are the classes.

    Raises:
        ValueError: Names that are empty, no strings, twice there, or several
            in one; synonyms of no class; all of them are listed.
    """
    given = _entries(names)
    _check_names([name for name, _ in given])
    further = {_tidy_if_text(n): own for n, own in (synonyms or {}).items()}
    table: Phrases = {}
    for name, phrases in given:
        name, more = tidy(name), further.pop(tidy(name), ())
        _check_list(more, name)
        _check_phrases(name, [*phrases, *more], len(given))
        table[name] = tuple(dict.fromkeys(map(_tidy_bars, (*phrases, *more))))
    if further:
        raise ValueError(
            f'phrases are given for {list(further)[:8]}, which are no class '
            f'names. The {len(table)} classes begin with {list(table)[:5]}.'
        )
    return table


def _entries(names: Any) -> list[tuple[str, list[str]]]:
    """(name, phrases) of every class, not yet checked."""
    if isinstance(names, str | bytes):
        raise ValueError(
            f'class names must be a sequence of strings, got the one string '
            f'{names!r}, which would become letters. Split it first: '
            f'{_as_tuple(names)} (a tuple of one name needs its comma).'
        )
    if isinstance(names, AbstractSet) and not isinstance(names, Mapping):
        raise ValueError(
            f'class names have an order, a set has none: got {names!r:.80}. '
            'Give a list.'
        )
    if isinstance(names, Mapping):
        for name, phrases in names.items():
            _check_list(phrases, name)
        return [(name, list(own)) for name, own in names.items()]
    if not isinstance(names, Iterable):
        raise ValueError(
            f'class names must be a sequence of strings, got {names!r:.80} '
            f'of type {type(names).__name__}.'
        )
    entries = [_phrases_of(entry) for entry in names]
    entries = _without_numbers(entries)
    return [(_name_in(own), own) for own in entries]


def _name_in(phrases: list) -> Any:
    """What a class of these phrases is called."""
    first = phrases[0] if phrases else ''
    return synonyms_of(first)[0] if isinstance(first, str) else first


def _as_tuple(text: Any) -> str:
    text = text.decode(errors='replace') if isinstance(text, bytes) else text
    return repr(tuple(part.strip() for part in text.split(',')))


def _tidy_if_text(name: Any) -> Any:
    return tidy(name) if isinstance(name, str) else name


def _phrases_of(entry: Any) -> list[Any]:
    """Phrases of an entry of a list; what separates names inside stays."""
    if isinstance(entry, list | tuple):
        return list(entry)
    if not isinstance(entry, str):
        return [entry]
    text = unquoted(html.unescape(entry).strip())
    if not text:
        return [entry]  # the message shows what was given
    text = text.replace('\uff1b', BETWEEN_PHRASES)
    parts = text.rstrip(f'{BETWEEN_PHRASES} ').split(BETWEEN_PHRASES)
    return [part.strip() for part in parts]


def unquoted(text: str) -> str:
    """Without the pair of quotes around the whole."""
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1]:
        return text[1:-1].strip()
    return text


def _without_numbers(entries: list[list]) -> list[list]:
    """Names without the numbers of their lines, where all have one.

    They go if they run 0, 1, 2 ... or 1, 2, 3 ... and the names differ
    without them; else only a warning says that they are part of the names.
    """
    firsts = [own[0] if own else '' for own in entries]
    if not all(isinstance(name, str) for name in firsts):
        return entries
    ids = [m for m in map(_WORDNET.match, firsts) if m]
    wordnet = len(ids) == len(firsts)
    found = ids if wordnet else [m for m in map(_NUMBERED.match, firsts) if m]
    if not firsts or len(found) < len(firsts):
        return entries
    rest = [n[m.end() :] for n, m in zip(firsts, found, strict=True)]
    numbers = [] if wordnet else [int(m[1]) for m in found]
    marked = wordnet or all(m[2].strip() for m in found)
    count = len(numbers)
    runs = any(numbers == [*range(i, i + count)] for i in (0, 1))
    differ = len(set(map(name_key, rest))) == len(rest)
    if differ and (runs or wordnet) and (marked or count > 1):
        _say(f'class names: the numbers before them are left out: {rest[:3]}')
        return [[n, *own[1:]] for n, own in zip(rest, entries, strict=True)]
    if count > 1 and marked and not runs:
        raise ValueError(
            f'class names begin with numbers that do not run 0, 1, 2 ... '
            f'({firsts[:3]}), so that their order is in doubt. Leave the '
            'numbers out and give the names in the order of the labels.'
        )
    if count > 1 and not runs:
        _say(
            f'class names begin with numbers, which are taken for parts of '
            f'the names: {firsts[:3]}. Leave them out if they are not.',
            logging.WARNING,
        )
    return entries


def _check_names(names: list) -> None:
    if not names:
        raise ValueError('there are no class names; at least one is needed.')
    others = [n for n in names if not isinstance(n, str)]
    if others:
        raise ValueError(
            f'class names must be strings; these are not: {others[:10]}.'
        )
    empty = [i for i, n in enumerate(names) if not clean_name(n)]
    if empty:
        raise ValueError(
            f'class names at positions {empty[:10]} (from 0) are empty: '
            f'{[names[i] for i in empty[:10]]}. Name or remove them.'
        )
    same = defaultdict(list)
    for name in names:
        same[name_key(name)].append(name)
    twice = [group for group in same.values() if len(group) > 1]
    if twice:
        # what looks the same is written out
        shown = ', '.join(
            f'[{", ".join(map(ascii if _look_alike(g) else repr, g))}]'
            for g in twice[:10]
        )
        raise ValueError(
            'these class names read the same to the text tower, so that no '
            f'region could be told apart: {shown}. Rename or remove all '
            'but one of each.'
        )


def _look_alike(names: list[str]) -> bool:
    return len(set(names)) > 1 and len(set(map(tidy, names))) == 1


def _check_list(phrases: Any, name: Any) -> None:
    if isinstance(phrases, str) or not isinstance(phrases, Iterable):
        raise ValueError(
            f'phrases of class {name!r} must be a list of strings, got '
            f'{phrases!r}. Write [{phrases!r}].'
        )


def _check_phrases(name: str, phrases: list, classes: int) -> None:
    bad = [p for p in phrases if not isinstance(p, str) or not clean_name(p)]
    if bad or not phrases:
        raise ValueError(
            f'class {name!r} has no phrase, or empty or non-string ones: '
            f'{bad}. Every phrase must be a non-empty string.'
        )
    for text in phrases:
        if not all(map(clean_name, synonyms_of(text))):
            raise ValueError(
                f"class {name!r}: a synonym in {text!r} is empty. '|' stands "
                'between synonyms and nowhere else.'
            )
        found = _hidden_list(text)
        if found is not None:
            called, parts = found
            if len(parts) == 1:
                raise ValueError(
                    f'class name {text!r} holds {called}, which belong to a '
                    f'list and not to a name. Write {parts[0]!r}.'
                )
            raise ValueError(
                f'class name {text!r} looks like several: it holds {called}. '
                f'Write the names apart: {parts[:8]}, on the command line '
                f'{",".join(parts[:8])!r}; several texts of one class are '
                f'{"; ".join(parts[:3])!r} in a list or file, or '
                f'{{{parts[0]!r}: {parts[:3]}}}.'
            )
    if classes == 1 and ', ' in name:
        _say(
            f'the only class name is {name!r}, with its comma. If it is '
            f'several, give {[p.strip() for p in name.split(",")]}.',
            logging.WARNING,
        )


def _hidden_list(text: str) -> tuple[str, list[str]] | None:
    """What says that a name was meant to be several, and these."""
    text = html.unescape(text).strip()
    found = separated(text)
    if found is not None:
        return found
    if BETWEEN_PHRASES in text:
        parts = text.split(BETWEEN_PHRASES)
        return "';'", [p.strip() for p in parts if p.strip()] or [text]
    if text[0] in '[{' or text[-1] in ']}':
        parts = [unquoted(p.strip()) for p in text.strip('[]{} ').split(',')]
        return 'brackets', [p for p in parts if p] or [text]
    # '1,000 dollars' is a name, 'rug, carpet' is ADE20K's way of writing
    tight = re.split(r'(?<=\D),(?=\S)|,(?=[^\s\d])', text)
    if len(tight) > 1:
        return 'commas', [p.strip() for p in tight]
    if text[0] in '"\u201c':
        return 'half a pair of quotes', [text[1:].strip()]
    return None


def _say(text: str, level: int = logging.INFO) -> None:
    print_log(text, logger='current', level=level)
