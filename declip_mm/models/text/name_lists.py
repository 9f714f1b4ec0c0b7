"""Class names in a text of the command line, or in a file."""

import ast
import json
import logging
import os.path
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from .names import (
    BETWEEN_PHRASES,
    Names,
    Phrases,
    class_phrases,
    separated,
    synonyms_of,
    unquoted,
)

__all__ = [
    'list_classes',
    'parse_classes',
    'parse_names',
    'read_json',
    'read_names',
    'read_text',
]

#: Keys under which other tools keep a list of names.
_LIST_KEYS = ('classes', 'names', 'class_names', 'labels', 'CLASSES')
_BRACKETS = {'[': ']', '(': ')', '{': '}'}
#: Of files that hold names elsewhere; none of them ends a class name.
_FOREIGN = '.csv .tsv .yaml .yml .names .list .xml .xlsx .md .toml .npz .npy'
#: Larger json files are data sets, in which no name is a key.
_SMALL = 4 * 1024**2


def parse_names(source: str | Names) -> Phrases:
    """Class names as people give them, checked.

    Args:
        source: What :func:`read_names` reads if it is a string, else what
            :func:`~declip_mm.models.text.class_phrases` takes.

    Returns:
        Class name -> its phrases; the keys are the classes.

    Raises:
        FileNotFoundError: No such file.
        ValueError: No names, or others than those two functions read.
    """
    if not isinstance(source, str):
        return class_phrases(source)
    found = read_names(source)
    try:
        return class_phrases(found)
    except ValueError as error:
        if not _is_file_name(source):
            raise
        raise ValueError(f'{source}: {error}') from error


def list_classes(metainfo: Mapping[str, Any] | None) -> dict[str, Any]:
    """Metainfo of a data set in which class names are lists.

    A file that is named there is read as :func:`read_names` does (mmengine
    itself would keep its byte order mark and its commas).

    Raises:
        FileNotFoundError: No such file.
        ValueError: One string that is no file, which would become letters.
    """
    found = dict(metainfo or {})
    for key in ('classes', 'base_classes', 'novel_classes'):
        value = found.get(key)
        if isinstance(value, str):
            try:
                found[key] = tuple(parse_classes(value))
            except ValueError as error:
                raise ValueError(f'metainfo {key}: {error}') from error
    return found


def parse_classes(value: str | Names) -> Phrases:
    """Name -> texts of ``metainfo['classes']``: names, or a file of them.

    Raises:
        FileNotFoundError: No such file.
        ValueError: One string that is no file, which would become letters.
    """
    file = isinstance(value, str) and (
        _is_file_name(value) or os.path.isfile(value)
    )
    return parse_names(value) if file else class_phrases(value)


def read_names(source: str) -> Names:
    """Read class names from a file or a list in a string.

    Args:
        source: A ``.txt`` file (a name a line; blank lines and lines that
            begin with ``#`` are skipped; a single line is a list), a
            ``.json`` file (a list of names; a dict name -> phrases; a COCO
            file, whose ``categories`` are taken in the order of their ids; a
            dict with ``classes``), or a list: ``'cat,dog,fire hydrant'``.
            ``"['cat', 'dog']"``, ``'cat . dog'`` and line breaks are
            understood, too, and said. ``'sofa|couch,dog'`` are two classes,
            the first of two synonyms.

    Returns:
        List of names, in which ``'person; man'`` is one class of two phrases,
        or the dict of phrases.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not to be read, or in more than one way.
    """
    suffix = Path(source[-200:]).suffix.lower()
    if not _is_file_name(source):
        # os.path, for a list may be longer than any path
        foreign = suffix in _FOREIGN.split()
        path = suffix or os.sep in source
        if foreign or (path and os.path.isfile(source)):
            raise ValueError(
                f'class names are read from .txt and .json files, got '
                f'{source}. Convert it: a name a line.'
            )
        return _listed(source, 'the list of class names')
    text = read_text(source, 'file of class names')
    if suffix == '.txt':
        return _from_lines(text, source)
    return _names_of_json(read_json(source), source)


def _is_file_name(source: str) -> bool:
    return source.lower().endswith(('.txt', '.json'))


def read_text(path: str | Path, what: str = 'file') -> str:
    """Text of a UTF-8 file, with or without a byte order mark.

    Args:
        path: Of the file.
        what: It is, for the messages.

    Raises:
        FileNotFoundError: No such file.
        ValueError: In another encoding, or not to be read.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f'{what} {path} does not exist. Check the path.'
        )
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(
            f'{what} {path} cannot be read: {error.strerror}. Check its '
            'permissions.'
        ) from error
    if content[:2] in (b'\xff\xfe', b'\xfe\xff') or b'\0' in content[:200]:
        raise ValueError(
            f'{path} is in UTF-16 ("Unicode" of Windows editors) or no text '
            'at all. Save it in UTF-8.'
        )
    try:
        return content.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path} is no text in UTF-8: {error}. Save it in UTF-8.'
        ) from error


def read_json(
    path: str | Path,
    what: str = 'file of class names',
    remedy: str = 'Correct it, or give a .txt file with a name a line.',
) -> Any:
    """Content of a ``.json`` file in which no key may stand twice.

    Args:
        path: Of the file.
        what: It is, for messages.
        remedy: What to do where it is no JSON.

    Raises:
        FileNotFoundError: No such file.
        ValueError: No JSON; or a key twice, of which one would be lost.
    """
    text = read_text(path, what)
    hook = _unique(path) if len(text) < _SMALL else None
    try:
        return json.loads(text, object_pairs_hook=hook)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f'{path} is no JSON: {error}. {remedy}') from error


def _unique(path: str | Path) -> Callable[[list], dict]:
    def build(pairs: list[tuple[str, Any]]) -> dict:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = [k for k in found if keys.count(k) > 1]
            raise ValueError(
                f'{path} has the keys {twice[:8]} twice, so that one of each '
                'would be lost. Rename or remove it.'
            )
        return found

    return build


def _listed(text: str, where: str) -> Names:
    """Names of a list that is written in one string."""
    body = text.strip().strip('\ufeff').strip()
    inner = unquoted(body)
    if body[:1] not in inner:
        body = inner  # the quotes are around the whole list
    if body[:1] in _BRACKETS and (body[0] != '(' or body[-1] == ')'):
        return _bracketed(body, where)
    if '\n' in body or '\r' in body:
        return _from_lines(body, where)
    parts = re.findall(r'\s*("[^"]*"|\'[^\']*\')\s*(?:,|$)', body)
    if not parts or ''.join(parts) != re.sub(r'\s*,\s*|\s+$', '', body):
        parts = body.split(',')
    if len(parts) > 1:
        parts = [part.strip() for part in parts]
        return parts[: -1 if not parts[-1] else None]
    if BETWEEN_PHRASES in body.rstrip(f'{BETWEEN_PHRASES} '):
        raise _ambiguous(body, where)
    found = separated(body)
    if found is None:
        _say_synonyms(body, where)
        if re.fullmatch(r'(\w+\.)?\w+Dataset', body):
            raise ValueError(
                f'{body!r} is no class name and no data set that is '
                f'registered here. Give its names, or a file of them.'
            )
        return [body.rstrip(f'{BETWEEN_PHRASES} ')]
    called, names = found
    _say(f'{where}: {len(names)} names between {called}: {names[:5]}')
    return names


def _say_synonyms(text: str, where: str) -> None:
    """Who writes 'cat|dog' may mean two classes."""
    words = synonyms_of(text)
    if len(words) > 1:
        _say(
            f'{where}: {text!r} is one class, of the synonyms '
            f'{list(words)[:5]}; two classes are {",".join(words[:2])!r}.',
            logging.WARNING,
        )


def _ambiguous(text: str, where: str) -> ValueError:
    parts = [p.strip() for p in text.split(BETWEEN_PHRASES) if p.strip()]
    return ValueError(
        f'{where} is {text!r}, which is {len(parts)} classes or one class of '
        f'{len(parts)} texts. Write {",".join(parts)!r} for the former, '
        f'{str(["; ".join(parts)])!r} for the latter.'
    )


def _bracketed(text: str, where: str) -> Names:
    """Names of ``['cat', 'dog']``, ``[cat, dog]`` or a dict."""
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, str):
            return [found]
        if isinstance(found, Mapping | list):
            return _names_of_json(found, where)
        if isinstance(found, tuple):
            return list(found)
    if text[0] == '{' or text[-1] != _BRACKETS[text[0]]:
        raise ValueError(
            f'{where} opens {text[0]!r} and cannot be read as a list or dict: '
            f'{text:.80}. Write cat,dog or ["cat", "dog"], in quotes for the '
            'shell.'
        )
    inner = text[1:-1].strip()
    return _listed(inner, where) if inner else []


def _from_lines(text: str, where: str) -> Names:
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and line[0] != '#']
    body = ' '.join(lines)
    if body and body[0] in '[{' and _BRACKETS[body[0]] == body[-1]:
        return _bracketed(body, where)
    rows = lines[lines[:1] == ['names:'] :]
    if all(line.startswith('- ') for line in rows):  # as YAML has it
        lines = [line[2:].strip() for line in rows]
    if sum(line.endswith(',') for line in lines) >= len(lines) - 1:
        lines = [line.rstrip(', ') for line in lines]
    if len(lines) != 1:
        return lines
    names = _listed(lines[0], where)
    if len(names) > 1 and ',' in lines[0]:
        _say(f'{where}: its one line is a list of {len(names)} names')
    return names


def _names_of_json(content: object, path: str) -> Names:
    if isinstance(content, list):
        dicts = bool(content) and all(isinstance(c, dict) for c in content)
        return _names_of_coco(content, path) if dicts else content
    if isinstance(content, Mapping):
        content = dict(content)
        if isinstance(content.get('categories'), list):
            return _names_of_coco(content['categories'], path)
        if isinstance(content.get('classes'), list):
            return content['classes']
        if len(content) == 1 and next(iter(content)) in _LIST_KEYS:
            (inner,) = content.values()
            if isinstance(inner, list | Mapping):
                return _names_of_json(inner, path)
        by_number = _names_of_numbers(content, path)
        if by_number is not None:
            return by_number
        if all(isinstance(own, list | tuple) for own in content.values()):
            return content
    raise ValueError(
        f'{path} has no class names: allowed are a list of strings, a dict '
        'name -> list of phrases, a COCO file with "categories", or a dict '
        f'with "classes"; got {type(content).__name__} {content!r:.60}.'
    )


def _names_of_numbers(content: dict, path: str) -> list[str] | None:
    """Names of ``{'0': 'cat'}`` or ``{'cat': 0}``, by number."""
    pairs = [
        (k, v) if isinstance(v, str) else (v, k) for k, v in content.items()
    ]
    if not pairs or not all(
        str(number).isdecimal() and isinstance(name, str)
        for number, name in pairs
    ):
        return None
    pairs = sorted((int(number), name) for number, name in pairs)
    numbers = [number for number, _ in pairs]
    if numbers[0] > 1 or numbers != [*range(numbers[0], numbers[-1] + 1)]:
        raise ValueError(
            f'{path} numbers its {len(pairs)} names {numbers[:8]}..., which '
            'does not run 0, 1, 2 ..., so that labels are in doubt. Give a '
            'list of names in the order of the labels.'
        )
    return [name for _, name in pairs]


def _names_of_coco(categories: list, path: str) -> list[str]:
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


def _say(text: str, level: int = logging.INFO) -> None:
    print_log(text, logger='current', level=level)
