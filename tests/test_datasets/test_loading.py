"""The loader of mmdet's and mmseg's pipelines."""

import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmengine.registry import TRANSFORMS
from PIL import Image

from declip_mm.datasets import LoadLabelledImage
from declip_mm.datasets.decoding import ContradictingImage


@pytest.fixture
def photo(tmp_path):
    """A JPEG of smooth colours, 48 x 64."""
    y, x = np.mgrid[:48, :64]
    pixels = np.stack([4 * x, 5 * y, 128 + 0 * x], -1).astype(np.uint8)
    path = tmp_path / 'a.jpg'
    Image.fromarray(pixels).save(path, quality=90)
    return str(path)


def test_equal_to_mmcv(photo):
    theirs = LoadImageFromFile()(dict(img_path=photo))
    ours = LoadLabelledImage()(dict(img_path=photo, height=48, width=64))
    for key, value in theirs.items():
        if key == 'img':
            off = np.abs(ours['img'].astype(int) - value)
            assert off.max() <= 2
            assert ours['img'].dtype == value.dtype
            assert ours['img'].flags['C_CONTIGUOUS']
        else:
            assert ours[key] == value


def test_without_labels_pictures_are_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (64, 48)).save(tmp_path / 'a.png', exif=exif)
    found = LoadLabelledImage()(dict(img_path=str(tmp_path / 'a.png')))
    assert found['ori_shape'] == found['img_shape'] == (64, 48)


def test_size_of_the_labels_decides(photo):
    with pytest.raises(ContradictingImage, match='48 x 64 .* says 64 x 64'):
        LoadLabelledImage()(dict(img_path=photo, height=64, width=64))


def test_blank_picture_has_the_size_of_the_labels():
    load = LoadLabelledImage(max_ratio=100)
    shapes = {}
    for size in ((30, 40), (1, 5000)):
        wanted = dict(img_path='gone.jpg', height=size[0], width=size[1])
        found = load(dict(wanted, blank=True))
        assert not found['img'].any()
        shapes[size] = found['img_shape']
    # as stretched as a picture may be
    assert shapes == {(30, 40): (30, 40), (1, 5000): (50, 5000)}
    assert load(dict(img_path='x', blank=True))['img'].shape == (64, 64, 3)


def test_registered_where_every_scope_finds_it():
    built = TRANSFORMS.build(dict(type='LoadLabelledImage', max_ratio=None))
    assert repr(built) == 'LoadLabelledImage(max_ratio=None)'
