"""The sheet of what a data set gives."""

import numpy as np
import pytest
from PIL import Image

from declip_mm.visualization import DrawnSample, draw_samples


def sample(**fields):
    image = np.full((40, 60, 3), 200, np.uint8)
    mask = np.zeros((1, 40, 60), bool)
    mask[0, 10:30, 10:40] = True
    own = dict(
        boxes=np.array([[10.0, 10.0, 40.0, 30.0]]),
        texts=['cat'],
        kinds=[0],
        masks=mask,
    )
    return DrawnSample(image, 'a.jpg', **{**own, **fields})


def painted(path):
    """Share of pixels that are neither white nor the grey of the picture."""
    pixels = np.asarray(Image.open(path).convert('RGB')).astype(int)
    spread = pixels.max(axis=-1) - pixels.min(axis=-1)
    return float((spread > 20).mean())


def test_masks_cover_their_pixels(tmp_path):
    draw_samples(tmp_path / 'with.png', [sample()])
    bare = sample(masks=None, boxes=np.zeros((0, 4)), texts=[], kinds=[])
    draw_samples(tmp_path / 'bare.png', [bare])
    assert painted(tmp_path / 'bare.png') == 0
    # the mask has a quarter of the picture, which fills most of the sheet
    assert painted(tmp_path / 'with.png') > 0.1


def test_a_class_map_is_painted_but_for_ignored_pixels(tmp_path):
    none = dict(masks=None, boxes=np.zeros((0, 4)), texts=[], kinds=[])
    labels = np.full((40, 60), 255)
    draw_samples(tmp_path / 'a.png', [sample(class_map=labels, **none)])
    assert painted(tmp_path / 'a.png') == 0
    labels[:, :30] = 1
    one = sample(class_map=labels, **none)
    draw_samples(tmp_path / 'b.png', [one], classes=['cat', 'dog'])
    assert painted(tmp_path / 'b.png') > 0.2


def test_crops_get_a_cell_of_their_own(tmp_path):
    crops = np.zeros((5, 32, 32, 3), np.uint8)
    draw_samples(tmp_path / 'one.png', [sample()], columns=4)
    draw_samples(tmp_path / 'two.png', [sample(crops=crops)], columns=4)
    one, two = (Image.open(tmp_path / f'{n}.png') for n in ('one', 'two'))
    assert two.width == 2 * one.width


@pytest.mark.parametrize('samples, columns', [([], 4), ([sample()], 0)])
def test_nothing_to_draw_is_refused(tmp_path, samples, columns):
    with pytest.raises(ValueError, match='one or more'):
        draw_samples(tmp_path / 'a.png', samples, columns=columns)
