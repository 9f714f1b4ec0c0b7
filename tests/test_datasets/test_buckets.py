"""Shapes of views that keep the aspect."""

import numpy as np
import pytest
import torch
from PIL import Image

from declip_mm.datasets.buckets import MOST_STRETCH, Buckets
from declip_mm.datasets.grid import rng_for
from declip_mm.datasets.views import DeCLIPViews


def test_a_handful_of_shapes_lying_and_standing():
    buckets = Buckets(560, 16)
    assert len(buckets) == 11 and buckets.grids[0] == (35, 35)
    assert {max(grid) for grid in buckets.grids} == {35}
    assert {(c, r) for r, c in buckets.grids} == set(buckets.grids)
    assert len(Buckets(32, 16)) == 3  # few tokens: shapes coincide


@pytest.mark.parametrize('side, patch', [(560, 16), (1024, 16), (336, 14)])
def test_up_to_two_to_one_nothing_is_padded(side, patch):
    buckets, worst = Buckets(side, patch), 1.0
    for short in range(500, 1001):
        for size in ((short, 1000), (1000, short)):
            bucket = buckets.nearest(*size)
            assert buckets.shown(bucket, *size) == (1.0, 1.0)
            worst = max(worst, buckets.stretch(bucket, *size))
    assert 1.05 < worst <= MOST_STRETCH


def test_a_panorama_is_padded_and_keeps_its_aspect():
    buckets = Buckets(560, 16)
    bucket = buckets.nearest(100, 500)
    assert buckets.grids[bucket] == (18, 35)
    high, wide = buckets.shown(bucket, 100, 500)
    assert wide == 1.0 and high * 18 / 35 == pytest.approx(100 / 500)
    assert buckets.stretch(bucket, 100, 500) == 1.0


def test_any_picture_can_take_the_place_of_another():
    """Of a damaged one in a batch of one shape."""
    buckets = Buckets(64, 16)
    standing = buckets.grids.index((4, 2))
    assert buckets.shown(standing, 50, 100) == (0.25, 1.0)


def halves(width, height):
    """Left half red, right half green."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 1] = 255
    return Image.fromarray(pixels)


def test_views_have_one_grid_and_boxes_lie_on_their_pixels():
    views = DeCLIPViews(64, 32, 56, max_split=2, native_patch=16)
    inputs, fields = views(halves(100, 74), rng_for(0, 0, 0))
    assert inputs['image'].shape == (3, 48, 64)
    assert inputs['vfm'].shape == (3, 42, 56)  # the same 3 x 4 tokens
    assert fields['valid_hw'].tolist() == [1, 1]
    assert inputs['image'].any(dim=0).all()  # no black
    boxes = fields['boxes']
    assert boxes.min() == 0 and boxes.max() == 1
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    assert area.sum() == pytest.approx(1)


def test_a_padded_panorama_says_what_is_valid():
    views = DeCLIPViews(64, None, None, max_split=1, native_patch=16)
    inputs, fields = views(halves(256, 64), rng_for(0, 0, 0))
    assert inputs['image'].shape == (3, 32, 64)
    assert fields['valid_hw'].tolist() == [0.5, 1]
    assert fields['boxes'].tolist() == [[0, 0, 1, 0.5]]
    assert inputs['image'][:, :16].any(dim=0).all()
    assert not inputs['image'][:, 16:].any()


def test_without_a_patch_views_are_squares_as_ever():
    views = DeCLIPViews(64, 32, 56)
    assert views.buckets is None
    inputs, _ = views(halves(100, 74), rng_for(0, 0, 0))
    assert inputs['image'].shape == (3, 64, 64)
    assert torch.equal(inputs['image'], views.student(halves(100, 74)))


@pytest.mark.parametrize(
    'options, message',
    [
        (
            dict(image_size=60, native_patch=16),
            'image_size=60 is no multiple of patch_size=16; .* take 64',
        ),
        (
            dict(image_size=64, vfm_size=54, native_patch=16),
            'vfm_size=54 gives no whole patches on the grid of 4 tokens',
        ),
        (dict(native_patch=0), 'native_patch must be a whole number'),
    ],
)
def test_sizes_without_a_common_grid_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DeCLIPViews(**options)


def test_what_is_said_of_pictures():
    buckets = Buckets(64, 16)
    sizes = [(100, 100), (75, 100), (77, 100), (10, 100)]
    found = [buckets.nearest(*size) for size in sizes]
    text = buckets.describe(found, sizes)
    assert '4 pictures keep their aspect' in text and '1 are padded' in text
    assert '3 x 4: 2' in text
