"""Photo cut-outs of some of the class names: an evaluation column.

They come from Debian's ``tuxpaint-stamps-default``, whose pictures carry
mixed licenses.  They are therefore fetched on request, never shipped, and
never shown to the tiny CLIP during training.
"""

import hashlib
import json
import os
import subprocess
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from ...models.download import SWITCH, may_download
from ..paths import ASSETS, cache_folder
from .pack import Sprite, load_pack

PACKAGE = 'tuxpaint-stamps-default=2022.06.04-1'
SHA256 = '6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34'
STAMPS = 'usr/share/tuxpaint/stamps'
LONGEST = 144  # pixels, as the drawings


def fetch_photos(
    folder: str | Path | None = None, deb: str | Path | None = None
) -> list[Sprite]:
    """The photo cut-outs as sprites of split ``'photo'``.

    Args:
        folder: Where to keep them; default ``photos`` in the cache.
        deb: The package file, if it is at hand; else it is downloaded once
            (161 MB) with ``apt-get download``.

    Raises:
        RuntimeError: The package cannot be had, or is another one.
    """
    folder = Path(folder or cache_folder() / 'photos')
    names = json.loads((ASSETS / 'photos.json').read_text())
    wanted = [file for files in names.values() for file in files]
    if not all((folder / file).is_file() for file in wanted):
        folder.mkdir(parents=True, exist_ok=True)
        if deb:
            _unpack(_checked(Path(deb)), folder, wanted)
        else:
            package = _download(folder)
            _unpack(package, folder, wanted)
            package.unlink()
    classes = load_pack().classes
    return [
        Sprite(classes.index(name), 'photo', _read(folder / file), file)
        for name, files in names.items()
        for file in files
    ]


def _read(path: Path) -> Image.Image:
    image = Image.open(path).convert('RGBA')
    opaque = np.asarray(image)[..., 3] > 127
    ys, xs = np.where(opaque)
    image = image.crop((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
    image.thumbnail((LONGEST, LONGEST), Image.LANCZOS)
    return image


def _download(folder: Path) -> Path:
    if not may_download():
        raise RuntimeError(
            f'no photographs: {SWITCH}=0 forbids to fetch {PACKAGE}; go on '
            'without them, or get the file elsewhere and call '
            'fetch_photos(deb=FILE)'
        )
    print(f'fetching {PACKAGE} (161 MB) ...', flush=True)
    try:
        done = subprocess.run(
            ['apt-get', 'download', PACKAGE],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        reason = done.stderr.strip()[-200:]
    except FileNotFoundError as error:
        reason = str(error)
    found = sorted(folder.glob('tuxpaint-stamps-default*.deb'))
    if not found:
        raise RuntimeError(
            f'no photographs: `apt-get download {PACKAGE}` failed '
            f'({reason}); go on without them, or get the file elsewhere and '
            'call fetch_photos(deb=FILE)'
        )
    return _checked(found[0])


def _checked(path: Path) -> Path:
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != SHA256:
        raise RuntimeError(
            f'{path} has sha256 {digest.hexdigest()}, '
            f'{PACKAGE} has {SHA256}; get that version'
        )
    return path


def _unpack(deb: Path, folder: Path, wanted: list[str]) -> None:
    """Write the wanted pictures only."""
    members = {f'./{STAMPS}/{file}': folder / file for file in wanted}
    command = ['dpkg-deb', '--fsys-tarfile', str(deb)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode='r|') as archive,
    ):
        for member in archive:
            if path := members.pop(member.name, None):
                path.parent.mkdir(parents=True, exist_ok=True)
                # a cut-off picture would pass for a finished one
                part = path.with_name(f'{path.name}.part')
                part.write_bytes(archive.extractfile(member).read())
                os.replace(part, path)
    if members:
        raise RuntimeError(
            f'{deb} lacks {sorted(members)[:3]}; it is not {PACKAGE}'
        )
