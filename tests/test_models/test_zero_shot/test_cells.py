"""The best query by cells is the one that a look at every pixel finds."""

import pytest
import torch
import torch.nn.functional as F

from declip_mm.models.zero_shot.arg_max import best_by_pixels, best_query
from declip_mm.models.zero_shot.cells import Grid, best_by_cells, choose_grid
from declip_mm.models.zero_shot.resizing import Places
from declip_mm.models.zero_shot.windows import (
    ImageFeatures,
    encode_windows,
)


def random_features(size, window=None, stride=1, width=12):
    """Every window has its own features: jumps where another one ends."""
    make = torch.Generator().manual_seed(0)

    def encode(padded):
        b, _, height, wide = padded.shape
        shape = b, width, height // 16, wide // 16
        return torch.randn(shape, generator=make)

    image = torch.zeros(3, *size)
    return encode_windows([image], encode, window, stride, 16, 4)[0]


def random_texts(count, width=12):
    make = torch.Generator().manual_seed(1)
    return F.normalize(torch.randn(count, width, generator=make), dim=1)


@pytest.mark.parametrize(
    'size, window, stride, full, scale, memory',
    [
        ((96, 128), None, 1, (300, 400), 40.0, 256),
        ((60, 70), 48, 20, (201, 240), 40.0, 256),
        ((60, 70), 48, 20, (201, 240), 100.0, 256),
        ((32, 48), 32, 16, (64, 192), 25.0, 1),
        ((17, 16), None, 1, (230, 40), 40.0, 1),
        ((33, 48), None, 1, (500, 600), 25.0, 256),
    ],
)
def test_labels_and_probabilities(size, window, stride, full, scale, memory):
    features, texts = random_features(size, window, stride), random_texts(40)
    for probability in (True, False):
        grid = choose_grid(features, full, probability)
        asked = features, texts, full, scale, probability
        index, score = best_by_cells(*asked, memory, grid)
        wanted = best_by_pixels(*asked)
        assert index.dtype == torch.int32 and index.shape == full
        assert (index == wanted.index).float().mean() > 0.9999
        close = torch.isclose(score, wanted.score, rtol=5e-3)
        assert close.float().mean() > 0.999
        assert torch.allclose(score, wanted.score, rtol=5e-2)


@pytest.mark.parametrize('halvings', [0, 1, 3])
def test_cells_without_a_pixel(halvings):
    features, texts = random_features((64, 96), 48, 16), random_texts(40)
    asked = features, texts, (31, 47), 40.0, False
    grid = Grid(*features.knots(1), halvings)
    index, score = best_by_cells(*asked, 1, grid)
    wanted = best_by_pixels(*asked)
    assert (index == wanted.index).float().mean() > 0.999
    assert torch.allclose(score, wanted.score, atol=1e-4)


def test_a_grid_of_patches_is_enlarged_at_once():
    features = ImageFeatures.of_map(torch.randn(12, 5, 7))
    asked = features, random_texts(30), (80, 96), 1.0, False
    found, wanted = best_query(*asked), best_by_pixels(*asked)
    assert (found.index == wanted.index).float().mean() > 0.9999
    assert torch.allclose(found.score, wanted.score, atol=1e-6)


def test_who_wins_at_no_corner_may_win_between_them():
    left, right = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    content = torch.stack((left, right), dim=1)[:, None].expand(2, 2, 2)
    between = F.normalize(left + right, dim=0)
    texts = torch.stack((left, right, between))
    features = ImageFeatures.of_map(content)
    found = best_query(features, texts, (8, 64), 1.0, False).index
    assert found[0, 0] == 0 and found[0, -1] == 1
    assert (found[:, 31:33] == 2).all()


def test_ties_go_to_the_earlier_query():
    texts = random_texts(20)
    doubled = torch.cat((texts, texts))
    features = random_features((48, 64))
    for probability in (True, False):
        found = best_query(features, doubled, (150, 200), 40.0, probability)
        assert int(found.index.max()) < 20


def test_little_enlargement_is_compared_at_pixels():
    features = random_features((96, 128))
    # a sum of exponentials bends at every point
    assert choose_grid(features, (96, 128), True) is None
    assert choose_grid(features, (191, 256), True) is None
    grid = choose_grid(features, (192, 256), True)
    assert (len(grid.rows), len(grid.columns)) == (96, 128)
    # scores bend at patches alone
    grid = choose_grid(features, (96, 128), False)
    assert len(grid.rows) < 40 and len(grid.columns) < 50
    assert choose_grid(features, (20, 30), False) is None
    one = ImageFeatures.of_map(torch.randn(12, 1, 7))
    assert choose_grid(one, (80, 96), False) is None


@pytest.mark.parametrize('window, stride', [(None, 1), (64, 20), (48, 37)])
def test_scores_are_linear_between_knots(window, stride):
    features = random_features((90, 133), window, stride)
    texts = random_texts(5)
    every = features.scores(texts)
    for gap in (1, 4, 100):
        rows, columns = features.knots(gap)
        assert int(rows.diff().max()) <= max(gap, 1) or gap == 100
        found = features.scores(texts, rows, columns)
        assert torch.allclose(found, every[:, rows][..., columns], atol=1e-6)
        for dim, points in ((1, rows), (2, columns)):
            places = Places.among(points, every.shape[dim], every.shape[dim])
            known = every.index_select(dim, points)
            low = known.index_select(dim, places.low)
            high = known.index_select(dim, places.low + 1)
            share = places.share[:, None] if dim == 1 else places.share
            mixed = torch.lerp(low, high, share)
            assert torch.allclose(mixed, every, atol=1e-5)


def test_a_window_is_resized_as_torch_does():
    features = random_features((80, 112))
    texts = random_texts(5)
    (unit,) = features.maps
    scores = torch.einsum('chw,qc->qhw', unit, texts)
    wanted = F.interpolate(scores[None], (80, 112), mode='bilinear')[0]
    assert torch.allclose(features.scores(texts), wanted, atol=1e-6)
