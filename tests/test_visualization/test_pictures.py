"""Correlation maps and the picture sheet."""

import numpy as np
import pytest
import torch
from PIL import Image

from declip_mm.visualization import (
    SheetRow,
    affinity_map,
    draw_sheet,
    patch_of,
)


def test_patch_under_a_point():
    assert patch_of((0, 0), (2, 3)) == 0
    assert patch_of((1, 1), (2, 3)) == 5
    assert patch_of((0.5, 0.6), (2, 3)) == 4
    with pytest.raises(ValueError, match='anchor point'):
        patch_of((1.2, 0), (2, 3))


def test_affinity_is_the_mean_cosine():
    one = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [-1.0, 0.0]])
    two = torch.ones(4, 3)
    found = affinity_map((one, two), (2, 2), (0.1, 0.1))
    wanted = torch.tensor([[1.0, 0.5], [1.0, 0.0]])
    torch.testing.assert_close(found, wanted)


def test_sheet_is_drawn(tmp_path):
    rng = np.random.default_rng(0)
    truth = np.full((40, 60), 255)
    truth[5:30, 5:30] = 1
    row = SheetRow(
        rng.integers(0, 255, (40, 60, 3), dtype=np.uint8),
        (0.3, 0.4),
        truth,
        dict(a=rng.random((4, 6)), b=rng.random((4, 6))),
        dict(a=truth, b=truth * 0),
    )
    path = tmp_path / 'deep' / 'sheet.png'
    draw_sheet([row], ['cat', 'dog'], str(path), 'title')
    picture = np.asarray(Image.open(path))
    assert picture.shape[1] > picture.shape[0] > 100
    assert picture.std() > 10
