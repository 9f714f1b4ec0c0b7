"""Labels of maps, and what they tell about mistakes."""

import numpy as np
import pytest
from PIL import Image

from declip_mm.datasets.class_maps import (
    check_labels,
    read_labels,
    suspicious_labels,
    values_of,
)
from declip_mm.datasets.decoding import ContradictingImage, UnreadableImage

THREE = ('sky', 'cat', 'dog')


def values(*maps):
    return [np.array(sorted(m)) for m in maps]


def test_file_backends_read_the_same(tmp_path):
    labels = np.array([[0, 300], [65535, 7]], np.uint16)
    Image.fromarray(labels).save(tmp_path / 'a.png')
    path = str(tmp_path / 'a.png')
    for backend in (None, dict(backend='local')):
        found = read_labels(path, backend)
        assert found.dtype == np.uint16 and (found == labels).all()
    assert values_of(labels).tolist() == [0, 7, 300, 65535]


def test_altered_labels_are_noticed(tmp_path):
    """PNGs have checksums, which Pillow does not look at."""
    noise = np.random.default_rng(0).integers(0, 9, (64, 64), np.uint8)
    path = tmp_path / 'a.png'
    Image.fromarray(noise).save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(bytes(content))
    with pytest.raises(UnreadableImage, match='a.png is no picture'):
        read_labels(path)


@pytest.mark.parametrize(
    'labels, count, reduce, right',
    [
        ([0, 2, 255], 3, False, True),
        ([3], 3, False, False),
        ([3], 3, True, True),
        ([4], 3, True, False),
        ([254], 3, False, False),
    ],
)
def test_labels_beyond_the_classes(labels, count, reduce, right):
    array = np.array([labels], np.uint16)
    if right:
        found = check_labels('a.png', array, count, 255, reduce)
        assert found.tolist() == labels
        return
    with pytest.raises(ContradictingImage, match=f'labels {labels[0]}, '):
        check_labels('a.png', array, count, 255, reduce)


def test_masks_of_0_and_255():
    both = values({0, 255}, {0, 255})
    why, sure = suspicious_labels(both, ('ground', 'cat'), 255, False)
    assert "'cat' would never be seen" in why and sure
    why, sure = suspicious_labels(both, THREE, 255, False)
    assert why and not sure
    seen = values({0, 255}, {0, 1, 255})
    assert suspicious_labels(seen, THREE, 255, False) == ('', False)


def test_labels_that_seem_to_begin_at_1():
    maps = values({0, 1}, {0, 2})
    why, sure = suspicious_labels(maps, THREE, 255, False)
    assert 'reduce_zero_label=True' in why and not sure
    for args in (
        (maps, ('background', 'cat', 'dog'), 255, False),
        (maps, THREE, 255, True),
        (values({0, 1}, {0, 255}), THREE, 255, False),
        (values({0, 1}, {1, 2}), THREE, 255, False),
        (values({0, 1}), THREE, 255, False),
    ):
        assert suspicious_labels(*args) == ('', False)
