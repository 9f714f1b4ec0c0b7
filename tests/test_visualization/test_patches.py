"""Anchors, clusters and colours of patch features."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from declip_mm.visualization import (
    affinity_map,
    choose_anchors,
    cluster_patches,
    patch_features,
    patch_of,
    patch_view,
    principal_colours,
)
from declip_mm.visualization.page import pack_features

GRID = (6, 8)


def three_regions():
    """Features around three directions: 24, 15 and 9 patches."""
    truth = torch.zeros(GRID, dtype=torch.int64)
    truth[:3, 3:] = 1
    truth[3:, 5:] = 2
    noise = torch.randn(48, 12, generator=torch.Generator().manual_seed(0))
    features = torch.eye(12)[truth.flatten()] + 0.05 * noise
    return F.normalize(features, dim=-1), truth.flatten()


def test_inner_products_are_the_mean_cosine():
    context = (torch.randn(12, 5), 3 * torch.randn(12, 7))
    features = patch_features(context)
    point, grid = (0.6, 0.4), (3, 4)
    wanted = affinity_map(context, grid, point)
    found = features @ features[patch_of(point, grid)]
    torch.testing.assert_close(found.reshape(grid), wanted)


def test_clusters_are_the_regions_by_size():
    features, truth = three_regions()
    labels, centres = cluster_patches(features, 3)
    assert torch.equal(labels, truth)
    torch.testing.assert_close(
        centres.norm(dim=1), torch.ones(3), atol=1e-5, rtol=0
    )
    torch.rand(7)  # whatever is drawn elsewhere
    assert torch.equal(cluster_patches(features, 3)[0], labels)
    assert len(cluster_patches(features[:2], 5)[1]) == 2


def test_anchors_lie_inside_their_regions():
    features, truth = three_regions()
    anchors = choose_anchors(features, GRID, 3)
    assert [int(truth[patch_of(a, GRID)]) for a in anchors] == [0, 1, 2]
    for x, y in anchors:  # no patch of the rim, none beside another region
        row, column = int(y * 6), int(x * 8)
        assert 0 < row < 5 and 0 < column < 7
        around = truth.reshape(GRID)[
            row - 1 : row + 2, column - 1 : column + 2
        ]
        assert (around[1] == around[1, 1]).all()
        assert (around[:, 1] == around[1, 1]).all()


def test_colours_tell_the_regions_apart():
    features, truth = three_regions()
    colours = principal_colours(features, GRID)
    assert colours.shape == (6, 8, 3)
    assert colours.min() == 0 and colours.max() == 1
    flat = colours.reshape(-1, 3)
    means = np.stack([flat[truth == k].mean(axis=0) for k in range(3)])
    spread = max(flat[truth == k][:, :2].std(axis=0).max() for k in range(3))
    for one, two in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(means[one] - means[two])[:2].max() > 3 * spread


@pytest.mark.parametrize('size', [56, 100])
def test_views_keep_the_proportions(size):
    image = Image.new('RGB', (80, 40), (255, 0, 51))
    view = patch_view(image, size, 14, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    height, width = view.shape[2:]
    assert height % 14 == width % 14 == 0
    assert abs(width - size) <= 7 and abs(height - size / 2) <= 7
    torch.testing.assert_close(
        view[0, :, 3, 3], torch.tensor([1.0, -1.0, -0.6])
    )


def test_packed_features_say_their_error():
    features, _ = three_regions()
    packed, scales, error = pack_features(features)
    assert packed.dtype == np.int8 and packed.shape == (48, 12)
    restored = packed * scales
    exact = (features @ features.T).double().numpy()
    assert np.abs(restored @ restored.T - exact).max() == pytest.approx(error)
    assert error < 0.02
    assert pack_features(features, rank=3)[0].shape == (48, 3)
