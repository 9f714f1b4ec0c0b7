"""Where the miniature world finds its files and the package's configs."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
#: Drawings, the tiny CLIP, stored features: ``declip_mm://miniature/...``.
ASSETS = Path(__file__).resolve().parent / 'assets'
#: Holds configs/ and tools/: a folder of the wheel, else the clone itself.
_MIM = _PACKAGE / '.mim'
ROOT = _MIM if _MIM.is_dir() else _PACKAGE.parent
CONFIGS = ROOT / 'configs'
