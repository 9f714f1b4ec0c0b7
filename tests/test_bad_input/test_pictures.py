"""Pictures that are damaged, disguised, huge, tiny or unusual."""

import os
import struct
import zlib

import numpy as np
import pytest
from bad_input import Case, check
from PIL import Image

from declip_mm.datasets import (
    DeCLIPImageDataset,
    DeCLIPViews,
    LoadLabelledImage,
    read_image,
)
from declip_mm.datasets.decoding import read_labelled

RED = (200, 40, 40)
VIEWS = dict(type='DeCLIPViews', image_size=32, crop_size=16)
# Serialising collects garbage, of all the process has.
OPTIONS = dict(views=VIEWS, serialize_data=False)


def picture(mode='RGB', size=(8, 6), colour=RED):
    image = Image.new('RGB', size, colour)
    if mode == 'P':
        return image.quantize(2)
    return image if mode == 'RGB' else image.convert(mode)


def saved(path, image=None, **options):
    (image or picture()).save(path, **options)
    return path


def cut(path, share=0.5):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def bomb(path):
    """A PNG of a few bytes that says it has 60000 x 60000 pixels."""

    def chunk(kind, data):
        code = struct.pack('>I', zlib.crc32(kind + data))
        return struct.pack('>I', len(data)) + kind + data + code

    header = struct.pack('>IIBBBBB', 60000, 60000, 8, 2, 0, 0, 0)
    body = chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(b'\0' * 99))
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + body + chunk(b'IEND', b''))
    return path


def link(path):
    os.symlink(path.parent / 'nowhere.png', path)
    return path


def bytes_at(path, content):
    path.write_bytes(content)
    return path


def flipped(path):
    """A PNG that was altered after it was written."""
    content = bytearray(cut(path, 1).read_bytes())
    at = len(content) // 2
    content[at : at + 64] = b'\xff' * 64
    path.write_bytes(bytes(content))
    return path


def float_tiff(path):
    Image.fromarray(np.ones((4, 4), np.float32)).save(path)
    return path


DAMAGED = {
    'empty file.png': lambda p: bytes_at(p, b''),
    'text as.jpg': lambda p: bytes_at(p, b'no picture'),
    'web page as.jpg': lambda p: bytes_at(p, b'<html><body>404</body>'),
    'svg as.png': lambda p: bytes_at(p, b'<svg xmlns="x"></svg>'),
    'zeros.png': lambda p: bytes_at(p, b'\0' * 4096),
    'header alone.png': lambda p: bytes_at(p, b'\x89PNG\r\n\x1a\n'),
    'truncated.png': cut,
    'truncated.jpg': cut,
    'truncated.webp': cut,
    'truncated.gif': cut,
    'truncated.tiff': lambda p: cut(p, 0.05),
    'altered pixels.png': flipped,
    'bomb.png': bomb,
    'floating point.tiff': float_tiff,
    'broken link.png': link,
    'video.jpg': lambda p: bytes_at(p, b'\0\0\0\x18ftypmp42' + b'\0' * 99),
}
REMEDIES = {'bomb.png': 'DECLIP_MAX_PIXELS=3600M', 'broken link.png': 'link'}


def refused(name, make):
    remedy = REMEDIES.get(name, 'Replace it')
    return Case(name, lambda f: read_image(make(f / name)), name, remedy)


def left_out(name, make):
    def act(folder):
        saved(folder / 'good.png')
        make(folder / name)
        data = DeCLIPImageDataset(img_dir=str(folder), **OPTIONS)
        shown = [data[i]['data_samples'].img_path for i in range(2)]
        assert all(path.endswith('good.png') for path in shown)
        return len(data.damaged)

    said = 'damaged picture skipped (1 of 2 so far)'
    return Case(f'{name} in a folder', act, name, said, 'skipped')


def mode_case(mode, suffix, close):
    """Colours as RGB sees them, within what the mode can keep."""

    def act(folder):
        path = saved(folder / f'a{suffix}', picture(mode))
        image = read_image(path)
        off = np.abs(np.asarray(image).astype(int) - close).max()
        return image.mode, image.size, bool(off <= 8)

    wanted = ('RGB', (8, 6), True)
    return Case(f'{mode} in {suffix}', act, wanted, outcome='read')


GREY = round(0.299 * 200 + 0.587 * 40 + 0.114 * 40)
MODES = [
    mode_case('CMYK', '.jpg', RED),
    mode_case('CMYK', '.tiff', RED),
    mode_case('L', '.png', GREY),
    mode_case('L', '.jpg', GREY),
    mode_case('LA', '.png', GREY),
    mode_case('P', '.png', RED),
    mode_case('RGBA', '.png', RED),
    mode_case('RGBA', '.webp', RED),
    mode_case('YCbCr', '.jpg', RED),
    mode_case('L', '.bmp', GREY),
]


def sixteen_bits(folder):
    path = folder / 'deep.png'
    Image.fromarray(np.full((4, 4), 0x8001, np.uint16)).save(path)
    return np.asarray(read_image(path)).tolist() == [[[128] * 3] * 4] * 4


def see_through(folder):
    image = Image.new('RGBA', (4, 4), (10, 10, 10, 0))
    return read_image(saved(folder / 'a.png', image)).getpixel((0, 0))


def turned(orientation):
    def act(folder):
        image = picture(size=(8, 6))
        image.putpixel((0, 0), (0, 0, 255))
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = saved(folder / 'a.png', image, exif=exif)
        found = np.asarray(read_image(path))
        y, x = np.argwhere(found[..., 2] > 200)[0]
        return found.shape[:2], (int(y), int(x))

    places = {
        1: ((6, 8), (0, 0)),
        2: ((6, 8), (0, 7)),
        3: ((6, 8), (5, 7)),
        4: ((6, 8), (5, 0)),
        5: ((8, 6), (0, 0)),
        6: ((8, 6), (0, 5)),
        7: ((8, 6), (7, 5)),
        8: ((8, 6), (7, 0)),
        99: ((6, 8), (0, 0)),
    }
    name = f'EXIF orientation {orientation}'
    return Case(name, act, places[orientation], outcome='read')


def viewed(size):
    def act(folder):
        views = DeCLIPViews(image_size=32, crop_size=16)
        rng = np.random.default_rng(0)
        inputs, fields = views(picture(size=size), rng)
        boxes = fields['boxes']
        inside = bool(((boxes >= 0) & (boxes <= 1)).all())
        return tuple(inputs['image'].shape), inside, bool(len(boxes))

    name = f'{size[0]} x {size[1]} px through the views'
    return Case(name, act, ((3, 32, 32), True, True), outcome='read')


def named(name, kind='PNG'):
    def act(folder):
        (folder / 'ordner').mkdir()
        saved(folder / 'ordner' / name, format=kind)
        data = DeCLIPImageDataset(img_dir=str(folder), **OPTIONS)
        return len(data), data[0]['data_samples'].img_path.endswith(name)

    return Case(f'called {name!r} ({kind})', act, (1, True), outcome='read')


def of_other_size(folder):
    path = saved(folder / 'small.png')
    read_labelled(path, (100, 200), 'instances.json')


def allowed(limit):
    """Reads a picture of 40 x 40 under DECLIP_MAX_PIXELS."""

    def act(folder):
        path = saved(folder / 'big.png', picture(size=(40, 40)))
        before, most = os.environ.get(LIMIT), Image.MAX_IMAGE_PIXELS
        os.environ[LIMIT] = limit
        try:
            return read_image(path).size
        finally:
            Image.MAX_IMAGE_PIXELS = most
            os.environ.pop(LIMIT)
            if before is not None:
                os.environ[LIMIT] = before

    return act


def stretched(size, **options):
    def act(folder):
        results = dict(
            img_path=str(saved(folder / 'a.png', picture(size=size)))
        )
        return LoadLabelledImage(**options)(results)['img_shape']

    return act


LIMIT = 'DECLIP_MAX_PIXELS'
CASES = [
    Case('a limit', allowed('1600'), (40, 40), outcome='read'),
    Case('a limit in M', allowed('0.2m'), (40, 40), outcome='read'),
    Case('above a limit', allowed('1K'), 'big.png', f'{LIMIT}=1M'),
    Case('a limit in words', allowed('lots'), "'lots'", '200M'),
    Case('a limit of 0', allowed('0'), f"{LIMIT}='0'", '200M'),
    Case('a negative limit', allowed('-5'), f"{LIMIT}='-5'", '200M'),
    Case('stretched', stretched((10, 1001)), '1001 x 10', 'max_ratio'),
    Case('stretched wide', stretched((9999, 9)), '9 x 9999', 'max_ratio'),
    Case(
        'stretched, allowed',
        stretched((9999, 9), max_ratio=None),
        (9, 9999),
        outcome='read',
    ),
    Case('one pixel', stretched((1, 1)), (1, 1), outcome='read'),
    Case('a ratio of 0', stretched((1, 1), max_ratio=0), 'got 0', '1 or more'),
    *(refused(name, make) for name, make in DAMAGED.items()),
    *(left_out(name, make) for name, make in DAMAGED.items()),
    *MODES,
    *(turned(n) for n in (1, 2, 3, 4, 5, 6, 7, 8, 99)),
    *(
        viewed(size)
        for size in ((1, 1), (1, 900), (900, 1), (2, 3), (10000, 10))
    ),
    *map(named, ('ä ß.png', '写真.png', 'a b.png', "it's.png", '%s.png')),
    *(named(name, 'JPEG') for name in ('jpeg as.png', 'UPPER.PNG')),
    Case('16 bits', sixteen_bits, True, outcome='read'),
    Case('transparent', see_through, (255, 255, 255), outcome='read'),
    Case('no file', lambda f: read_image(f / 'no.png'), 'no.png', 'path'),
    Case('a folder', read_image, 'pytest', 'Replace it'),
    Case('other size', of_other_size, '6 x 8', 'says 100 x 200'),
]


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_picture(case, tmp_path):
    check(case, tmp_path)
