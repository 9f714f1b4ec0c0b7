"""Files that ship with the package."""

from pathlib import Path

__all__ = ['ASSET_SCHEME', 'resolve_asset']

#: ``declip_mm://miniature/tiny_clip.json`` names a shipped file wherever the
#: package is installed, so that configs need no path of their own.
ASSET_SCHEME = 'declip_mm://'


def resolve_asset(path: str) -> str:
    """Path of a shipped file; any other path comes back as it is.

    Raises:
        FileNotFoundError: No such shipped file; lists those there are.
    """
    if not str(path).startswith(ASSET_SCHEME):
        return path
    root = Path(__file__).parent
    file = root / str(path)[len(ASSET_SCHEME) :]
    if not file.is_file():
        shipped = sorted(
            f.relative_to(root).as_posix()
            for f in root.rglob('*')
            if f.is_file() and f.suffix not in ('.py', '.pyc')
        )
        raise FileNotFoundError(
            f'{path} is not shipped. Shipped files: {", ".join(shipped)}.'
        )
    return str(file)
