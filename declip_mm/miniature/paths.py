"""Where the miniature world finds its files and the package's configs."""

import os
from pathlib import Path

from ..assets import ROOT

#: Drawings, the tiny CLIP, stored features: ``declip_mm://miniature/...``.
ASSETS = Path(__file__).resolve().parent / 'assets'
CONFIGS = ROOT / 'configs'


def cache_folder() -> Path:
    """``$DECLIP_MM_CACHE``, else ``~/.cache/declip_mm``.

    Raises:
        OSError: This user has no home.
    """
    if given := os.environ.get('DECLIP_MM_CACHE'):
        return Path(given)
    try:
        return Path.home() / '.cache' / 'declip_mm'
    except RuntimeError as error:
        raise OSError(
            'this user has no home folder to cache in; name a folder: '
            'DECLIP_MM_CACHE=FOLDER.'
        ) from error


def make_folder(folder: Path) -> None:
    """A folder in the cache that can be written.

    Raises:
        OSError: It cannot; says how to name another.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / '.lock').touch()
    except OSError as error:
        raise OSError(
            f'the cache folder {folder} cannot be written '
            f'({error.strerror}); name another: DECLIP_MM_CACHE=FOLDER.'
        ) from error
