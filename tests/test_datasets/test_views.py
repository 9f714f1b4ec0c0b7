"""Grid of crops and views: geometry computed by hand, statistics of draws."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from mmengine.registry import TRANSFORMS
from PIL import Image

from declip_mm.datasets.grid import (
    draw_cells,
    enlarge,
    grid_cells,
    grid_shapes,
    rng_for,
)
from declip_mm.datasets.views import (
    DeCLIPViews,
    SquareView,
    boxes_in_square,
    crop_views,
    fit_size,
)


def test_the_24_shapes_of_the_paper():
    shapes = grid_shapes(6)
    assert len(shapes) == len(set(shapes)) == 24
    assert set(shapes) == {
        (m, n)
        for m in range(1, 7)
        for n in range(1, 7)
        if math.ceil(m / 2) <= n <= min(2 * m, 6)
    }
    assert grid_shapes(1) == [(1, 1)]
    with pytest.raises(ValueError, match='max_split must be 1 or more, got 0'):
        grid_shapes(0)


def test_shapes_are_drawn_uniformly():
    counts = Counter()
    for image_id in range(4800):
        cells, _ = draw_cells(600, 600, rng_for(0, 0, image_id), max_boxes=36)
        columns = len(set(cells[:, 0].tolist()))
        counts[len(cells) // columns, columns] += 1
    assert set(counts) == set(grid_shapes(6))
    # 200 expected, standard deviation 14
    assert min(counts.values()) > 140 and max(counts.values()) < 260


def test_at_most_max_boxes_cells_and_each_once():
    sizes, hits = set(), Counter()
    for image_id in range(1500):
        cells, _ = draw_cells(600, 600, rng_for(1, 2, image_id))
        assert len(np.unique(cells, axis=0)) == len(cells) <= 20
        sizes.add(len(cells))
        if len(cells) == 20 and (cells[:, 2] - cells[:, 0] == 100).all():
            hits.update((cells[:, 0] // 100).tolist())
    assert max(sizes) == 20
    # every column of the wide grids gets its share: none is cut off
    assert min(hits.values()) > 0.8 * max(hits.values())


def test_cells_tile_the_picture():
    cells, _ = grid_cells(7, 10, 2, 3)
    assert cells.tolist() == [
        [0, 0, 3, 4],
        [3, 0, 7, 4],
        [7, 0, 10, 4],
        [0, 4, 3, 7],
        [3, 4, 7, 7],
        [7, 4, 10, 7],
    ]
    area = (cells[:, 2] - cells[:, 0]) * (cells[:, 3] - cells[:, 1])
    assert area.sum() == 70


@pytest.mark.parametrize('size', [(1, 1), (1, 5), (3, 2), (2, 1000)])
def test_tiny_pictures_keep_whole_cells(size):
    for rows, columns in grid_shapes(6):
        cells, _ = grid_cells(*size, rows, columns)
        covered = np.zeros(size, int)
        for x0, y0, x1, y1 in cells:
            assert x1 > x0 and y1 > y0
            covered[y0:y1, x0:x1] += 1
        assert (covered == 1).all()


def test_enlarge_about_the_centre_and_clip():
    boxes = np.array([[40, 20, 60, 40], [0, 0, 10, 10], [99, 49, 100, 50]])
    assert enlarge(boxes, 1.5, 50, 100).tolist() == [
        [35, 15, 65, 45],
        [0, 0, 12, 12],
        [99, 49, 100, 50],
    ]
    assert enlarge(boxes, 1, 50, 100).tolist() == boxes.tolist()
    thin = enlarge(np.array([[3.4, 3.4, 3.45, 3.45]]), 1, 9, 9)
    assert thin.tolist() == [[3, 3, 4, 4]]


def test_draws_depend_on_seed_epoch_and_image_alone():
    def draw(*key):
        return rng_for(*key).integers(1 << 30)

    assert draw(1, 2, 3) == draw(1, 2, 3)
    keys = [(1, 2, 3), (2, 2, 3), (1, 3, 3), (1, 2, 4), (3, 2, 1)]
    assert len({draw(*k) for k in keys}) == 5
    with pytest.raises(ValueError, match='must not be negative'):
        rng_for(0, -1, 0)


@pytest.mark.parametrize(
    'height, width, expected',
    [
        (480, 640, (420, 560)),
        (640, 480, (560, 420)),
        (100, 100, (560, 560)),
        (1, 3000, (1, 560)),
    ],
)
def test_longest_side(height, width, expected):
    assert fit_size(height, width, 560) == expected


def halves(width=40, height=20):
    """Left half red, right half green."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 1] = 255
    return Image.fromarray(pixels)


def test_student_view_pads_right_and_bottom_with_black():
    wide = SquareView(20)(halves())
    assert wide.shape == (3, 20, 20) and wide.dtype == torch.uint8
    assert wide[:, 0, 0].tolist() == [255, 0, 0]
    assert wide[:, 9, 19].tolist() == [0, 255, 0]
    assert not wide[:, 10:].any() and wide[:, :10].any(dim=0).all()
    tall = SquareView(20)(halves().rotate(90, expand=True))
    assert not tall[:, :, 10:].any() and tall[:, :, :10].any(dim=0).all()


def test_crop_view_pads_on_both_sides():
    view = SquareView(20, centred=True)(halves())
    filled = view.any(dim=0).any(dim=1)
    assert filled.nonzero()[:, 0].tolist() == list(range(5, 15))


def test_downscaling_is_antialiased():
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, ::2] = 255  # a comb finer than the view
    view = SquareView(16)(Image.fromarray(pixels)).float()
    inner = view[:, 2:-2, 2:-2]
    assert (inner - 127.5).abs().max() < 8


def test_crops_come_from_the_original_pixels():
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    boxes = np.array([[10, 5, 26, 21], [0, 0, 60, 40]])
    crops = crop_views(Image.fromarray(noise), boxes, 16)
    assert crops.shape == (2, 3, 16, 16)
    exact = torch.from_numpy(noise[5:21, 10:26]).permute(2, 0, 1)
    assert torch.equal(crops[0], exact)
    assert crop_views(halves(), boxes[:0], 16).shape == (0, 3, 16, 16)


def test_boxes_follow_into_the_square():
    boxes, valid = boxes_in_square([[320, 0, 640, 240]], 480, 640, 560)
    assert valid.tolist() == [0.75, 1.0]
    assert boxes.tolist() == [[0.5, 0.0, 1.0, 0.375]]
    # 333 x 500 at 64 px is 43 rows (42.6 rounded): boxes end with them
    boxes, valid = boxes_in_square([[0, 0, 500, 333]], 333, 500, 64)
    assert valid[0].item() == pytest.approx(43 / 64)
    assert boxes[0].tolist() == pytest.approx([0, 0, 1, 43 / 64])


def test_all_views_of_a_picture():
    views = TRANSFORMS.build(
        dict(
            type='DeCLIPViews',
            image_size=32,
            crop_size=16,
            vfm_size=28,
            max_split=3,
            max_boxes=4,
        )
    )
    inputs, fields = views(halves(90, 60), rng_for(0, 0, 5))
    count = len(fields['boxes'])
    assert 1 <= count <= 4
    assert inputs['image'].shape == (3, 32, 32)
    assert inputs['crops'].shape == (count, 3, 16, 16)
    assert inputs['vfm'].shape == (3, 28, 28)
    boxes, valid = fields['boxes'], fields['valid_hw']
    assert (boxes[:, 2:] > boxes[:, :2]).all() and boxes.min() >= 0
    assert boxes[:, 3].max() <= valid[0] < 1 and valid[1] == 1


def test_no_vfm_view_unless_asked():
    inputs, _ = DeCLIPViews(32, 16)(halves(), rng_for(0, 0, 0))
    assert set(inputs) == {'image', 'crops'}


def test_crop_scale_enlarges_the_crop_and_not_the_box():
    narrow = DeCLIPViews(32, 16, max_split=2)
    wide = DeCLIPViews(32, 16, max_split=2, crop_scale=2.0)
    differ = 0
    for image_id in range(12):
        small, fields = narrow(halves(), rng_for(0, 0, image_id))
        large, same = wide(halves(), rng_for(0, 0, image_id))
        assert torch.equal(fields['boxes'], same['boxes'])
        differ += not torch.equal(small['crops'], large['crops'])
    assert differ > 3


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(image_size=0), 'image_size must be .* got 0'),
        (dict(vfm_size=2.5), 'vfm_size must be .* got 2.5'),
        (dict(crop_scale=0.5), 'crop_scale must be 1 or more, got 0.5'),
        (dict(max_boxes=0), 'max_boxes must be'),
    ],
)
def test_refused_options(options, message):
    with pytest.raises(ValueError, match=message):
        DeCLIPViews(**options)
