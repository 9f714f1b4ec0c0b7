"""Where the miniature world finds its files and the package's configs."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
#: Drawings, the tiny CLIP, stored features: ``declip_mm://miniature/...``.
ASSETS = Path(__file__).resolve().parent / 'assets'
#: Holds configs/ and tools/: a folder of the wheel, else the clone itself.
_MIM = _PACKAGE / '.mim'
ROOT = _MIM if _MIM.is_dir() else _PACKAGE.parent
CONFIGS = ROOT / 'configs'


def cache_folder() -> Path:
    """``$DECLIP_MM_CACHE``, else ``~/.cache/declip_mm``."""
    default = Path.home() / '.cache' / 'declip_mm'
    return Path(os.environ.get('DECLIP_MM_CACHE') or default)
