"""The stand-in of the authors' loader shows the pictures that ours does."""

import numpy as np
import pytest
import torch
from PIL import Image

from declip_mm.benchmark import loaders

SIZES = dict(image_size=64, vfm_size=56, crop_size=32)


@pytest.fixture(scope='module')
def tool():
    return vars(loaders)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp('pictures')
    y, x = np.mgrid[:90, :120]
    for index in range(2):
        tones = [np.sin((x + index) / 9), np.cos(y / 7), np.sin((x + y) / 11)]
        pixels = (120 + 100 * np.stack(tones, -1)).astype(np.uint8)
        Image.fromarray(pixels).save(root / f'{index}.png')
    return root


def test_same_pixels_and_ratios_of_both(tool, folder):
    found = tool['compare'](folder, 1, SIZES)
    for view in ('image', 'crops', 'vfm'):
        assert found['difference'][view]['mean'] < 0.1
        assert found['difference'][view]['largest'] <= 3
    assert set(found['ratios']) == {
        'data',
        'pillow',
        'crops_on_device',
        'cached_teachers',
    }
    assert all(ratio > 0 for ratio in found['ratios'].values())
    assert found['pictures'] == 2


def test_cutting_on_a_device(tool, folder):
    found = tool['cutting'](folder, 'cpu', repeats=1, crop_size=32)
    assert found['difference'] < 0.1
    assert 1 <= found['crops'] <= 20 and found['milliseconds'] > 0


def test_what_the_reference_gives(tool, folder):
    loader = tool['ReferenceLoader'](sorted(folder.iterdir()), **SIZES)
    student, boxes, crops, vfm = next(iter(loader))
    assert student.shape == (3, 64, 64) and vfm.shape == (3, 56, 56)
    assert crops.shape == (20, 3, 32, 32) and crops.dtype == torch.float32
    count = int(boxes[:, 4].sum())
    assert 1 <= count <= 20 and crops[:count].any() and not boxes[count:].any()
    assert boxes[:count, :4].max() == 1  # of the longest side
    assert student[0, 63, 0] == pytest.approx(-0.48145466 / 0.26862954)
