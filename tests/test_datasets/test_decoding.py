"""Any picture file becomes 8-bit RGB, or is refused by name."""

import numpy as np
import pytest
from orientations import save_turned
from PIL import Image

from declip_mm.datasets import UnreadableImage, read_image
from declip_mm.datasets.decoding import (
    ContradictingImage,
    check_size,
    read_size,
)


def paint(path, size=(48, 32)):
    width, height = size
    noise = np.random.default_rng(0).integers(
        0, 256, (height, width, 3), np.uint8
    )
    Image.fromarray(noise).save(path)
    return path


def test_modes_become_rgb(tmp_path):
    grey = np.array([[0, 128, 255]], np.uint8)
    as_rgb = np.stack([grey] * 3, -1)
    deep = grey.astype(np.uint16) * 256 + 13
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8), 'P')
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    alpha = np.dstack([as_rgb, np.array([[255, 0, 255]], np.uint8)])
    table = {
        'grey.png': (Image.fromarray(grey), as_rgb),
        'deep.png': (Image.fromarray(deep), as_rgb),
        'bits.png': (Image.fromarray(grey > 100), as_rgb // 128 * 255),
        'palette.png': (palette, np.eye(3, dtype=np.uint8)[None] * 255),
        'alpha.png': (
            Image.fromarray(alpha),
            np.where(alpha[..., 3:] > 0, as_rgb, 255),
        ),
        'grey_alpha.png': (
            Image.fromarray(alpha).convert('LA'),
            np.where(alpha[..., 3:] > 0, as_rgb, 255),
        ),
    }
    for name, (image, expected) in table.items():
        image.save(tmp_path / name)
        got = read_image(tmp_path / name)
        assert got.mode == 'RGB'
        assert np.asarray(got).tolist() == expected.tolist(), name


def test_transparent_palette_becomes_white(tmp_path):
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), 'P')
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / 'p.png', transparency=1)
    got = np.asarray(read_image(tmp_path / 'p.png')).tolist()
    assert got == [[[255, 0, 0], [255, 255, 255]]]


def test_cmyk_jpeg(tmp_path):
    red = Image.new('RGB', (16, 16), (255, 0, 0)).convert('CMYK')
    red.save(tmp_path / 'c.jpg')
    got = np.asarray(read_image(tmp_path / 'c.jpg'))[8, 8]
    assert abs(got.astype(int) - [255, 0, 0]).max() < 12


@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_orientation(tmp_path, orientation):
    upright = Image.new('RGB', (24, 16), 'white')
    upright.paste((200, 0, 0), (0, 0, 8, 8))  # top left
    stored = save_turned(upright, tmp_path / 'e.png', orientation)
    got = read_image(tmp_path / 'e.png')
    assert np.array_equal(np.asarray(got), np.asarray(upright))
    raw = read_image(tmp_path / 'e.png', orient=False)
    assert raw.size == stored.size


def test_the_content_tells_the_format(tmp_path):
    paint(tmp_path / 'a.png').rename(tmp_path / 'a.jpg')
    assert read_image(tmp_path / 'a.jpg').size == (48, 32)


def damage(root):
    """Unreadable files by name."""
    whole = paint(root / 'whole.jpg', (64, 64)).read_bytes()
    (root / 'truncated.jpg').write_bytes(whole[: len(whole) // 2])
    (root / 'empty.jpg').write_bytes(b'')
    (root / 'text.jpg').write_text('no picture')
    (root / 'header.png').write_bytes(b'\x89PNG\r\n\x1a\n' + b'\0' * 30)
    Image.fromarray(np.zeros((2, 2), np.float32)).save(root / 'float.tif')
    return [
        'truncated.jpg',
        'empty.jpg',
        'text.jpg',
        'header.png',
        'float.tif',
    ]


def test_damaged_files_are_named(tmp_path):
    for name in damage(tmp_path):
        with pytest.raises(UnreadableImage, match=name):
            read_image(tmp_path / name)


def test_bomb_is_refused(tmp_path, monkeypatch):
    paint(tmp_path / 'big.png', (40, 40))
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 1000)
    remedy = 'DecompressionBomb.*DECLIP_MAX_PIXELS=1M'
    with pytest.raises(UnreadableImage, match=remedy):
        read_image(tmp_path / 'big.png')
    monkeypatch.setenv('DECLIP_MAX_PIXELS', '2k')
    assert read_image(tmp_path / 'big.png').size == (40, 40)
    monkeypatch.setenv('DECLIP_MAX_PIXELS', '2 k')
    with pytest.raises(ValueError, match="'2 k' is no number of pixels"):
        read_image(tmp_path / 'big.png')


def test_size_from_the_header(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8
    paint(tmp_path / 'a.png')
    Image.open(tmp_path / 'a.png').save(tmp_path / 'b.png', exif=exif)
    assert read_size(tmp_path / 'b.png') == (48, 32)
    assert read_size(tmp_path / 'b.png', orient=False) == (32, 48)
    for size in ((48, 32), (32, 48)):
        check_size(tmp_path / 'b.png', size, 'a.json')
    check_size(tmp_path / 'a.png', (32, 48), 'a.json')
    with pytest.raises(ContradictingImage, match='a.json says 48 x 32'):
        check_size(tmp_path / 'a.png', (48, 32), 'a.json')
