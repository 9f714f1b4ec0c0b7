"""The best query by cells is the one that a look at every pixel finds."""

import pytest
import torch
import torch.nn.functional as F

from declip_mm.models.zero_shot.arg_max import best_by_pixels, best_query
from declip_mm.models.zero_shot.cells import best_by_cells, is_worth_it
from declip_mm.models.zero_shot.windows import (
    ImageFeatures,
    Part,
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
    ],
)
def test_labels_and_probabilities(size, window, stride, full, scale, memory):
    features, texts = random_features(size, window, stride), random_texts(40)
    assert is_worth_it(size, full)
    for probability in (True, False):
        asked = features, texts, full, scale, probability
        index, score = best_by_cells(*asked, memory)
        wanted = best_by_pixels(*asked)
        assert index.dtype == torch.int32 and index.shape == full
        assert (index == wanted.index).float().mean() > 0.9999
        close = torch.isclose(score, wanted.score, rtol=5e-3)
        assert close.float().mean() > 0.999
        assert torch.allclose(score, wanted.score, rtol=5e-2)


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


@pytest.mark.parametrize(
    'size, worth',
    [
        ((60, 80), True),
        ((59, 80), False),
        ((30, 400), True),
        ((29, 800), False),
    ],
)
def test_little_enlargement_is_compared_at_pixels(size, worth):
    assert is_worth_it((30, 40), size) is worth
    assert not is_worth_it((1, 40), (300, 400))


@pytest.mark.parametrize('window, stride', [(None, 1), (64, 20), (48, 48)])
def test_a_part_of_the_scores_is_a_part_of_all(window, stride):
    features = random_features((90, 133), window, stride)
    texts = random_texts(5)
    every = features.scores(texts)
    for part in (
        Part(0, 90, 0, 133),
        Part(7, 8, 3, 90),
        Part(60, 90, 131, 133),
    ):
        top, bottom, left, right = part
        found = features.scores(texts, part)
        wanted = every[:, top:bottom, left:right]
        assert torch.allclose(found, wanted, atol=1e-6)


def test_a_window_is_resized_as_torch_does():
    features = random_features((80, 112))
    texts = random_texts(5)
    (unit,) = features.maps
    scores = torch.einsum('chw,qc->qhw', unit, texts)
    wanted = F.interpolate(scores[None], (80, 112), mode='bilinear')[0]
    assert torch.allclose(features.scores(texts), wanted, atol=1e-6)
