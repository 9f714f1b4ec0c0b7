"""Photo cut-outs of some of the class names: an evaluation column.

They come from Debian's ``tuxpaint-stamps-default``, whose pictures carry
mixed licenses.  They are therefore fetched on request, never shipped, and
never shown to the tiny CLIP during training.
"""

import json
import os
import subprocess
import tarfile
from pathlib import Path

from PIL import Image

from ..packages import check_sha256, fetch_package
from ..paths import ASSETS, cache_folder
from .pack import Sprite, cut_out, load_pack

PACKAGE = 'tuxpaint-stamps-default=2022.06.04-1'
SHA256 = '6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34'
STAMPS = 'usr/share/tuxpaint/stamps'
REMEDY = (
    'go on without photographs, or get the file elsewhere and call '
    'fetch_photos(deb=FILE)'
)


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
        package = deb or fetch_package(f'{PACKAGE} (161 MB)', folder, REMEDY)
        package = check_sha256(Path(package), SHA256, PACKAGE)
        _unpack(package, folder, wanted)
        if not deb:
            package.unlink()
    classes, sprites = load_pack().classes, []
    for name, files in names.items():
        for file in files:
            image = cut_out(Image.open(folder / file))
            sprites.append(Sprite(classes.index(name), 'photo', image, file))
    return sprites


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
