"""Masks on their way to the square view."""

import numpy as np

from declip_mm.datasets.masks import mask_box, resize_mask


def test_resizing_keeps_a_tiny_mask():
    mask = np.zeros((100, 200), bool)
    mask[98, 150] = True
    small = resize_mask(mask, 10, 20)
    assert np.argwhere(small).tolist() == [[9, 15]]
    assert not resize_mask(np.zeros((9, 9), bool), 3, 3).any()
    assert mask_box(mask) == [150, 98, 151, 99]


def test_resizing_is_nearest_by_centres():
    mask = np.arange(6) % 2 == 1
    small = resize_mask(np.tile(mask, (6, 1)), 2, 3)
    assert small.tolist() == [[True] * 3] * 2
    large = resize_mask(np.eye(2, dtype=bool), 4, 4)
    assert large.tolist() == np.kron(np.eye(2), np.ones((2, 2))).tolist()
