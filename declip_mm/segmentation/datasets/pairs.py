"""Which pictures and class maps of a folder belong together."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from mmengine.logging import print_log

from ...datasets.coco_json import some
from ...datasets.listing import IMAGE_SUFFIXES, list_folder, walk_files

__all__ = ['find_pairs', 'read_split']


def read_split(path: str) -> list[str]:
    """Names of pictures, one a line, as tools of all systems write them.

    Blank lines, blanks at the ends, a byte-order mark, ``./`` and Windows'
    ``\\\\`` do not matter.

    Raises:
        ValueError: No text in UTF-8, or no name.
    """
    try:
        text = Path(path).read_text('utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(
            f'the list of pictures {path} is no text in UTF-8: {error}. Save '
            'it in UTF-8.'
        ) from error
    lines = (line.strip().replace('\\', '/') for line in text.splitlines())
    names = [os.path.normpath(line) for line in lines if line]
    if not names:
        raise ValueError(
            f'the list of pictures {path} is empty; write a name a line, or '
            'leave ann_file out to take all pictures of the folder.'
        )
    unique = list(dict.fromkeys(names))
    if len(unique) < len(names):
        _warn(
            f'{path} lists {len(names) - len(unique)} pictures twice; each '
            'is taken once.'
        )
    return unique


def find_pairs(
    images: str,
    maps: str | None,
    image_suffix: str | None,
    map_suffix: str,
    split: str | None = None,
) -> list[tuple[str, str | None]]:
    """Pictures and the class maps of the same name.

    What has no partner is counted and named in the log.

    Args:
        images, maps: Folders, searched with their sub-folders; without
            ``maps`` there are no partners.
        image_suffix: End of a picture's name, in small or capital letters;
            None takes every kind of picture.
        map_suffix: End of a class map's name.
        split: File of the names wanted, with or without suffix; see
            :func:`read_split`.

    Returns:
        Sorted paths of pictures with those of their maps; a split's order.

    Raises:
        FileNotFoundError: No picture, no pair at all, or a name of the split
            without picture or map.
        ValueError: Two pictures have one map.
    """
    shared = maps is not None and os.path.realpath(images) == os.path.realpath(
        maps
    )
    pictures = _pictures(images, image_suffix, map_suffix if shared else None)
    partners = None if maps is None else _stems(walk_files(maps), [map_suffix])
    if split is None:
        stems = _with_partner(images, maps, pictures, partners, shared)
    else:
        stems = _of_split(split, images, maps, pictures, partners)
    twice = [s for s in stems if len(pictures[s]) > 1]
    if twice:
        both = pictures[twice[0]]
        raise ValueError(
            f'{len(twice)} names below {images} have several pictures, such '
            f'as {" and ".join(both)}, and a class map belongs to one. '
            "Remove the others, or say by img_suffix='.jpg' which kind it is."
        )
    return [
        (
            os.path.join(images, pictures[stem][0]),
            None
            if partners is None
            else os.path.join(maps, partners[stem][0]),
        )
        for stem in stems
    ]


def _stems(
    files: Sequence[str], suffixes: Sequence[str]
) -> dict[str, list[str]]:
    """Name without suffix -> files; in either case of letters."""
    found: dict[str, list[str]] = {}
    ends = tuple(suffix.lower() for suffix in suffixes)
    for name in files:
        small = name.lower()
        if small.endswith(ends):
            length = next(len(end) for end in ends if small.endswith(end))
            found.setdefault(name[:-length], []).append(name)
    return found


def _pictures(
    images: str, suffix: str | None, not_suffix: str | None
) -> dict[str, list[str]]:
    files = list_folder(Path(images))
    found = _stems(files, IMAGE_SUFFIXES if suffix is None else [suffix])
    if suffix is None and not_suffix is not None:
        # maps lie beside the pictures
        maps = {n for n in files if n.lower().endswith(not_suffix.lower())}
        found = {
            stem: left
            for stem, names in found.items()
            if (left := [n for n in names if n not in maps])
        }
    taken = {n for names in found.values() for n in names}
    others = [n for n in files if n not in taken]
    if not found:
        raise FileNotFoundError(
            f'{images} has no picture that ends in '
            f'{suffix or "a known suffix"!r}; it has {some(others)}. Set '
            'img_suffix.'
        )
    if others and not_suffix is None:
        _warn(
            f'{images}: {len(others)} pictures do not end in '
            f'{suffix!r} and are left out: {some(others)}. Leave img_suffix '
            'out to take all kinds.'
        )
    return found


def _with_partner(
    images: str, maps: str | None, pictures: dict, partners, shared: bool
) -> list[str]:
    stems = sorted(pictures, key=lambda s: pictures[s][0])
    if partners is None:
        return stems
    both = [s for s in stems if s in partners]
    bare = [pictures[s][0] for s in stems if s not in partners]
    lone = [partners[s][0] for s in sorted(partners) if s not in pictures]
    if not both:
        raise FileNotFoundError(
            f'no picture below {images} has a class map below {maps}: '
            f'{len(bare)} pictures, such as {some(bare)}; {len(lone)} maps, '
            f'such as {some(lone) or "none"}. They need the same name; set '
            'img_suffix and seg_map_suffix to what follows it.'
        )
    if bare:
        _warn(
            f'{images}: {len(bare)} of {len(stems)} pictures have no class '
            f'map below {maps} and are left out: {some(bare)}.'
        )
    if lone and not shared:
        _warn(
            f'{maps}: {len(lone)} of {len(partners)} class maps have no '
            f'picture below {images}: {some(lone)}.'
        )
    return both


def _of_split(
    split: str, images: str, maps: str | None, pictures: dict, partners
) -> list[str]:
    stems, missing, bare = [], [], []
    stem_of = {file: s for s, files in pictures.items() for file in files}
    for name in read_split(split):
        # a dot may be part of the name: whole names first
        candidates = name, stem_of.get(name), os.path.splitext(name)[0]
        stem = next((c for c in candidates if c in pictures), None)
        if stem is None:
            missing.append(name)
        elif partners is not None and stem not in partners:
            bare.append(name)
        else:
            stems.append(stem)
    problems = [
        f'{len(names)} have no {what}: {some(names)}'
        for names, what in (
            (missing, f'picture below {images}'),
            (bare, f'class map below {maps}'),
        )
        if names
    ]
    if problems:
        total = len(stems) + len(missing) + len(bare)
        raise FileNotFoundError(
            f'of {total} names in {split}, {"; ".join(problems)}. There are '
            f'pictures such as {some(sorted(pictures))}.'
        )
    return list(dict.fromkeys(stems))


def _warn(text: str) -> None:
    print_log(text, logger='current', level=logging.WARNING)
