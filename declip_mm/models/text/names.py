"""Class names: cleaning, checking and reading them from files."""

import json
import os.path
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ['Names', 'Phrases', 'class_phrases', 'clean_name', 'read_names']

#: Class names, or class name -> the phrases that stand for it.
Names = Sequence[str] | Mapping[str, Sequence[str]]

#: Class name -> its phrases, in class order.
Phrases = dict[str, tuple[str, ...]]


def clean_name(name: str) -> str:
    """``'Stop_Sign'`` -> ``'stop sign'``, as ViLD writes names.

    ``_`` becomes a blank, ``/`` becomes `` or ``; lower case; trailing dots
    go. Parentheses (LVIS) stay.
    """
    name = name.replace('_', ' ').replace('/', ' or ').lower()
    return name.rstrip('.').strip()


def class_phrases(
    names: Names, synonyms: Mapping[str, Sequence[str]] | None = None
) -> Phrases:
    """Phrases that stand for each class.

    Args:
        names: Class names in class order. A mapping gives the phrases of
            each class instead of its name
            (``{'wall-other-merged': ['wall']}``).
        synonyms: Further phrases of some classes, beside those above.

    Returns:
        Class name -> phrases without repetition; the keys are the classes.

    Raises:
        ValueError: Names that are empty or occur twice (after cleaning),
            synonyms of no class; all of them are listed.
        TypeError: Something is no string.
    """
    if isinstance(names, str):
        raise TypeError(
            f'class names must be a sequence of strings, got the one string '
            f'{names!r}. Split it first.'
        )
    explicit = names if isinstance(names, Mapping) else {}
    names = list(names)
    _check_names(names)
    synonyms = dict(synonyms or {})
    strangers = [key for key in synonyms if key not in set(names)]
    if strangers:
        raise ValueError(
            f'synonyms are given for {strangers}, which are no class names. '
            f'The {len(names)} classes begin with {names[:5]}.'
        )
    table = {}
    for name in names:
        phrases = [
            *_as_list(explicit.get(name, (name,)), name),
            *_as_list(synonyms.get(name, ()), name),
        ]
        _check_phrases(name, phrases)
        table[name] = tuple(dict.fromkeys(phrases))
    return table


def _check_names(names: list[str]) -> None:
    if not names:
        raise ValueError('there are no class names; at least one is needed.')
    others = [n for n in names if not isinstance(n, str)]
    if others:
        raise TypeError(
            f'class names must be strings; these are not: {others[:10]}.'
        )
    empty = [i for i, n in enumerate(names) if not clean_name(n)]
    if empty:
        raise ValueError(
            f'class names at positions {empty} (from 0) are empty: '
            f'{[names[i] for i in empty]}. Name or remove them.'
        )
    same = defaultdict(list)
    for name in names:
        same[' '.join(clean_name(name).split())].append(name)
    twice = [group for group in same.values() if len(group) > 1]
    if twice:
        raise ValueError(
            'these class names read the same to the text tower, so that no '
            f'region could be told apart: {twice}. Rename or remove all but '
            'one of each.'
        )


def _as_list(phrases: str | Sequence[str], name: str) -> list[str]:
    if isinstance(phrases, str):
        raise TypeError(
            f'phrases of class {name!r} must be a list of strings, got the '
            f'string {phrases!r}. Write [{phrases!r}].'
        )
    return list(phrases)


def _check_phrases(name: str, phrases: list[str]) -> None:
    bad = [p for p in phrases if not isinstance(p, str) or not clean_name(p)]
    if bad or not phrases:
        raise ValueError(
            f'class {name!r} has no phrase, or empty or non-string ones: '
            f'{bad}. Every phrase must be a non-empty string.'
        )


def read_names(source: str) -> Names:
    """Read class names from a file or a comma-separated list.

    Args:
        source: A ``.txt`` file (a name a line; blank lines and lines that
            begin with ``#`` are skipped), a ``.json`` file (a list of names;
            a dict name -> phrases; a COCO file, whose ``categories`` are
            taken in the order of their ids; a dict with ``classes``), or
            ``'cat,dog,fire hydrant'``.

    Returns:
        List of names, or the dict of phrases.
    """
    path = Path(source)
    if path.suffix not in ('.txt', '.json'):
        # os.path, for a list may be longer than any path
        if path.suffix and os.path.isfile(source):
            raise ValueError(
                f'class names are read from .txt and .json files, got '
                f'{path}. Rename or convert it.'
            )
        return [name.strip() for name in source.split(',')]
    if not path.is_file():
        raise FileNotFoundError(
            f'file of class names {path} does not exist. Check the path.'
        )
    try:
        text = path.read_text('utf-8')
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path} is no text in UTF-8: {error}. Save it in UTF-8.'
        ) from error
    if path.suffix == '.txt':
        lines = (line.strip() for line in text.splitlines())
        return [line for line in lines if line and line[0] != '#']
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f'{path} is no JSON: {error}. Correct it, or give a .txt file '
            'with a name a line.'
        ) from error
    return _names_of_json(content, path)


def _names_of_json(content: object, path: Path) -> Names:
    if isinstance(content, list):
        return content
    if isinstance(content, dict) and isinstance(
        content.get('categories'), list
    ):
        return _names_of_coco(content['categories'], path)
    if isinstance(content, dict) and isinstance(content.get('classes'), list):
        return content['classes']
    if isinstance(content, dict) and all(
        isinstance(phrases, list) for phrases in content.values()
    ):
        return content
    raise ValueError(
        f'{path} has no class names: allowed are a list of strings, a dict '
        'name -> list of phrases, a COCO file with "categories", or a dict '
        f'with "classes"; got {type(content).__name__}.'
    )


def _names_of_coco(categories: list, path: Path) -> list[str]:
    wrong = [
        c
        for c in categories
        if not isinstance(c, dict)
        or not isinstance(c.get('id'), int)
        or not isinstance(c.get('name'), str)
    ]
    if wrong:
        raise ValueError(
            f'{path}: {len(wrong)} of {len(categories)} categories are wrong, '
            f'such as {wrong[0]!r}; each needs an id and a name (a whole '
            'number, a text).'
        )
    # Category ids are the class order of COCO and LVIS, files are not.
    return [c['name'] for c in sorted(categories, key=lambda c: c['id'])]
