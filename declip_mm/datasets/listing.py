"""Which pictures a data set has: a folder, or the list in a COCO json."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from mmengine.logging import print_log
from PIL import features

from .coco_json import read_json, some

__all__ = [
    'IMAGE_SUFFIXES',
    'check_files',
    'check_folder',
    'image_name',
    'list_folder',
    'list_json',
    'walk_files',
]

#: What a folder is searched for: still pictures that Pillow decodes here.
IMAGE_SUFFIXES = (
    '.apng',
    '.bmp',
    '.dib',
    '.gif',
    '.jfif',
    '.jpe',
    '.jpeg',
    '.jpg',
    '.pbm',
    '.pgm',
    '.png',
    '.pnm',
    '.ppm',
    '.tga',
    '.tif',
    '.tiff',
    '.webp',
    *(('.avif',) if features.check('avif') else ()),
    *(('.j2c', '.j2k', '.jp2', '.jpx') if features.check('jpg_2000') else ()),
)
#: Pictures that it does not decode; a folder that has some says so.
_FOREIGN = (
    '.3fr .arw .avif .bpg .cr2 .cr3 .dng .exr .hdr .heic .heif .hif .j2c .j2k '
    '.jp2 .jpx .jxl .jxr .nef .npy .nrw .orf .pef .psd .raf .raw .rw2 .srw '
    '.svg .x3f'
).split()
_FOREIGN = frozenset(_FOREIGN) - frozenset(IMAGE_SUFFIXES)


def check_folder(path: str, what: str) -> Path:
    """The folder as a path.

    Raises:
        FileNotFoundError: Names the deepest part of the path that exists.
    """
    folder = Path(path)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise NotADirectoryError(
            f'{what} {folder} is a file; name the folder that it lies in.'
        )
    there = next(p for p in [*folder.parents, Path('/')] if p.is_dir())
    raise FileNotFoundError(
        f'{what} {folder} does not exist ({there.absolute()} does). Check '
        'data_root and the folder below it.'
    )


def walk_files(root: Path) -> list[str]:
    """Files below a folder, sorted, relative to it.

    Hidden files and folders are left out. Links are followed, each folder
    is entered once.
    """
    found, seen = [], set()
    for folder, below, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        below[:] = sorted(n for n in below if not n.startswith('.'))
        inside = Path(os.path.relpath(folder, root)).as_posix()
        lead = '' if inside == '.' else f'{inside}/'
        found += [lead + name for name in files if not name.startswith('.')]
    return sorted(found)


def list_folder(root: Path) -> list[str]:
    """Pictures below a folder, sorted, relative to it.

    What looks like a picture and cannot be decoded here is counted and named
    in the log. See :func:`walk_files`.

    Raises:
        FileNotFoundError: There are none.
    """
    files = walk_files(root)
    found = [n for n in files if n.lower().endswith(IMAGE_SUFFIXES)]
    foreign = [n for n in files if _suffix(n) in _FOREIGN]
    if not found:
        raise FileNotFoundError(
            f'no picture below {root} ({len(files)} other files'
            + (f', such as {some(foreign or files)}' if files else '')
            + f'). Known suffixes: {" ".join(IMAGE_SUFFIXES)}; convert '
            'others to PNG or JPEG.'
        )
    if foreign:
        print_log(
            f'{root}: {len(foreign)} files are left out, for their kind '
            f'cannot be read here: {some(foreign)}. {len(found)} pictures '
            'are taken. Convert the others to PNG or JPEG to have them, too.',
            logger='current',
            level=logging.WARNING,
        )
    return found


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def image_name(path: Any, index: int, entry: Any) -> str:
    """File name of an entry of ``images`` in a COCO json.

    LVIS has ``coco_url`` instead, for its pictures lie in two folders: of
    that the last two parts.

    Raises:
        ValueError: It has neither.
    """
    name = url = None
    if isinstance(entry, dict):
        name, url = entry.get('file_name'), entry.get('coco_url')
    if name is None and isinstance(url, str):
        name = '/'.join(PurePosixPath(url).parts[-2:])
    if not isinstance(name, str) or not name.strip():
        lacks = not isinstance(entry, dict) or 'file_name' not in entry
        got = 'no file_name' if lacks else f'file_name={name!r:.60}'
        raise ValueError(
            f'{path}: images[{index}] has {got}, got {entry!r:.100}; expected '
            'the name of a picture.'
        )
    return name


def list_json(path: str | Path) -> list[str]:
    """File names of ``images`` in a COCO json, in its order, each once.

    Neither labels nor ids are looked at.

    Raises:
        ValueError: No image, or one without a file name.
    """
    images = read_json(path, ['images'])['images']
    names = [image_name(path, i, entry) for i, entry in enumerate(images)]
    if not names:
        raise ValueError(
            f'{path} lists no image. List pictures under images, or leave '
            'ann_file out to take all of the folder.'
        )
    unique = list(dict.fromkeys(names))
    if len(unique) < len(names):
        print_log(
            f'{path} lists {len(names) - len(unique)} images twice; each is '
            'taken once.',
            logger='current',
            level=logging.WARNING,
        )
    return unique


def check_files(root: Path, names: Sequence[str], why: str) -> list[str]:
    """Every file has to exist; returns the names, as the files are called.

    Back-slashes separate folders where no file has them in its name. Reads
    each folder once, which takes network disks less than asking for every
    file.

    Raises:
        FileNotFoundError: How many are missing, and the first of them.
    """
    there: dict[str, set[str]] = {}

    def exists(name: str) -> bool:
        folder, base = os.path.split(os.path.join(root, name))
        if folder not in there:
            found = os.path.isdir(folder)
            there[folder] = set(os.listdir(folder)) if found else set()
        return base in there[folder]

    found, missing = [], []
    for name in names:
        if not exists(name):
            other = name.replace('\\', '/')
            if other == name or not exists(other):
                missing.append(name)
            name = other
        found.append(name)
    if missing:
        raise FileNotFoundError(
            f'{len(missing)} of {len(found)} files {why} are missing below '
            f'{root}: {some(missing)}.'
        )
    return found
