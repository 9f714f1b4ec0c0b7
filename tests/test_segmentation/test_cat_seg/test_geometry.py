"""Views of a picture and what is put together from them."""

import pytest
import torch
import torch.nn.functional as F

from declip_mm.models.zero_shot.resizing import resize_rows
from declip_mm.segmentation.cat_seg.cost import PRUNED
from declip_mm.segmentation.cat_seg.geometry import (
    CATSegViews,
    WholeView,
)
from declip_mm.segmentation.cat_seg.merging import (
    class_map,
    class_probabilities,
)


def test_paper_geometry():
    views = CATSegViews()
    assert 384 + 256 == 640 and views.count == 4 + 1
    assert views.windows == [(0, 0), (0, 256), (256, 0), (256, 256)]
    images = torch.randn(2, 3, 200, 300)
    cut = views.cut(images)
    assert cut.shape == (2, 5, 3, 384, 384)
    squashed = F.interpolate(images, size=(640, 640), mode='bilinear')
    assert torch.equal(cut[:, 3], squashed[..., 256:, 256:])
    glob = F.interpolate(images, size=(384, 384), mode='bilinear')
    assert torch.equal(cut[:, 4], glob)


@pytest.mark.parametrize('with_global', [True, False])
def test_constant_probability_stays_constant(with_global):
    views = CATSegViews((96, 160), 64, 32, with_global)
    logits = torch.full((views.count, 2, 8, 8), 0.7)
    joined = views.join(logits)
    assert joined.shape == (2, 96, 160)
    assert torch.allclose(joined, torch.tensor(0.7).sigmoid())


def test_overlaps_are_means_of_probabilities():
    views = CATSegViews((64, 96), 64, 32, with_global=True)
    logits = torch.zeros(3, 1, 4, 4)
    logits[0], logits[1], logits[2] = -2.0, 3.0, 1.0
    left, right, whole = logits[:, 0, 0, 0].sigmoid()
    joined = views.join(logits)[0]
    assert torch.allclose(joined[:, :32], (left + whole) / 2)
    middle = ((left + right) / 2 + whole) / 2
    assert torch.allclose(joined[:, 32:64], middle)
    assert torch.allclose(joined[:, 64:], (right + whole) / 2)


@pytest.mark.parametrize(
    'arguments', [((640, 640), 384, 200), ((320, 640), 384, 256)]
)
def test_gaps_are_refused(arguments):
    with pytest.raises(ValueError, match='do not cover'):
        CATSegViews(*arguments)


@pytest.mark.parametrize('size', [(37, 53), (5, 9), (12, 12), (80, 7)])
@pytest.mark.parametrize('rows', [1, 7, 100])
def test_strips_equal_the_whole(size, rows):
    maps = torch.randn(3, 12, 17)
    wanted = F.interpolate(maps[None], size=size, mode='bilinear')[0]
    strips = list(resize_rows(maps, size, rows))
    assert [first for first, _ in strips] == list(range(0, size[0], rows))
    found = torch.cat([strip for _, strip in strips], dim=1)
    assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize('chunk', [1, 2, 100])
@pytest.mark.parametrize(
    'views', [WholeView(64), CATSegViews((96, 96), 64, 32)]
)
def test_class_map_equals_argmax_of_all(views, chunk, monkeypatch):
    monkeypatch.setattr('declip_mm.segmentation.cat_seg.merging._STRIP', 64)
    torch.manual_seed(0)
    logits = torch.randn(views.count, 5, 16, 16)
    logits[:, 3] = PRUNED
    owner = torch.tensor([0, 1, 1, 2, 0])
    labels, best = class_map(logits, views.join, (40, 50), owner, chunk)
    probs = class_probabilities(logits, views.join, (40, 50), owner, 3)
    assert torch.allclose(best, probs.amax(dim=0), atol=1e-5)
    top = probs.topk(2, dim=0).values
    clear = top[0] - top[1] > 1e-5
    assert torch.equal(labels[clear], probs.argmax(dim=0)[clear])
    full = F.interpolate(
        views.join(logits)[None], size=(40, 50), mode='bilinear'
    )[0]
    assert torch.allclose(probs[0], full[[0, 4]].amax(dim=0), atol=1e-5)


def test_ties_go_to_the_earlier_query():
    logits = torch.zeros(1, 4, 4, 4)
    labels, _ = class_map(
        logits, WholeView(8).join, (6, 6), torch.arange(4), class_chunk=1
    )
    assert (labels == 0).all()
