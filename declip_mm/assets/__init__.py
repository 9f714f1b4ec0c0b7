"""Files that ship with the package."""

from pathlib import Path

__all__ = ['ASSET_SCHEME', 'ROOT', 'resolve_asset']

#: ``declip_mm://miniature/tiny_clip.json`` names a shipped file wherever the
#: package is installed, so that configs need no path of their own.
ASSET_SCHEME = 'declip_mm://'
_HERE = Path(__file__).resolve().parent
_MIM = _HERE.parent / '.mim'
#: Holds configs/ and tools/: a folder of the wheel, else the clone itself.
ROOT = _MIM if _MIM.is_dir() else _HERE.parents[1]


def resolve_asset(path: str) -> str:
    """Path of a shipped file; any other path comes back as it is.

    ``declip_mm://PART/FILE`` is here below ``PART``, or below the folder
    ``assets`` of a part of the package that keeps its own.

    Raises:
        FileNotFoundError: No such shipped file; lists those there are.
    """
    if not str(path).startswith(ASSET_SCHEME):
        return path
    name = str(path)[len(ASSET_SCHEME) :]
    part, _, rest = name.partition('/')
    for file in (_HERE / name, _HERE.parent / part / 'assets' / rest):
        if file.is_file():
            return str(file)
    raise FileNotFoundError(
        f'{path} is not shipped. Shipped files: {", ".join(_shipped())}.'
    )


def _shipped() -> list[str]:
    """What may stand after the scheme."""
    roots = {_HERE: ''}
    for folder in _HERE.parent.glob('*/assets'):
        roots[folder] = f'{folder.parent.name}/'
    return sorted(
        prefix + file.relative_to(root).as_posix()
        for root, prefix in roots.items()
        for file in root.rglob('*')
        if file.is_file() and file.suffix not in ('.py', '.pyc')
    )
