"""Fewer channels, the same cosines as nearly as can be."""

import pytest
import torch
import torch.nn.functional as F

from declip_mm.models.components import (
    correlation_error,
    principal_components,
)


def maps(channels=24, grid=(6, 7), seed=0):
    """Features as networks give them: a few directions hold most."""
    generator = torch.Generator().manual_seed(seed)
    tokens = grid[0] * grid[1]
    weight = 0.7 ** torch.arange(channels)
    left = torch.randn(2, tokens, channels, generator=generator) * weight
    right = torch.randn(2, channels, channels, generator=generator)
    return (left @ right).transpose(1, 2).unflatten(2, grid)


def cosines(features):
    unit = F.normalize(features.flatten(2), dim=1)
    return unit.transpose(1, 2) @ unit


@pytest.mark.parametrize('channels', [24, 60])  # below and above 42 tokens
def test_all_directions_change_nothing(channels):
    features = maps(channels)
    kept = principal_components(features, channels)
    assert kept.shape == features.shape
    torch.testing.assert_close(
        cosines(kept), cosines(features), atol=1e-4, rtol=0
    )
    assert correlation_error(features, kept).max() < 1e-4
    # lengths stay, so that a resized map is the resized map
    torch.testing.assert_close(
        kept.norm(dim=1), features.norm(dim=1), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize('channels', [24, 60])
def test_no_basis_of_as_many_directions_is_better(channels):
    """Eckart and Young: truncated singular vectors are the best."""
    features = maps(channels)
    unit = F.normalize(features.flatten(2), dim=1).transpose(1, 2)
    kept = principal_components(features, 4).flatten(2).transpose(1, 2)
    kept = kept / features.flatten(2).norm(dim=1)[..., None]
    error = kept @ kept.transpose(1, 2) - unit @ unit.transpose(1, 2)
    best = torch.linalg.svdvals(unit.double())[:, 4:].pow(4).sum(1).sqrt()
    torch.testing.assert_close(
        error.double().norm(dim=(1, 2)), best, rtol=1e-3, atol=1e-4
    )


def test_both_ways_give_the_same_cosines():
    features = maps(42)  # as many channels as tokens
    wide = F.pad(features, (0, 0, 0, 0, 0, 18))
    torch.testing.assert_close(
        cosines(principal_components(features, 5)),
        cosines(principal_components(wide, 5)),
        rtol=0,
        atol=1e-4,
    )


def test_more_directions_than_tokens():
    features = maps(60, grid=(2, 3))
    kept = principal_components(features, 16)
    assert kept.shape == (2, 16, 2, 3)
    assert correlation_error(features, kept).max() < 1e-4


def test_the_error_is_that_of_all_pairs(monkeypatch):
    monkeypatch.setattr('declip_mm.models.components._CHUNK', 10)
    features = maps()
    kept = principal_components(features, 3)
    wanted = (cosines(kept) - cosines(features)).abs().flatten(1)
    found = correlation_error(features, kept)
    torch.testing.assert_close(found[:, 0], wanted.mean(1))
    torch.testing.assert_close(found[:, 1], wanted.amax(1))
    fewer = correlation_error(features, principal_components(features, 2))
    assert (fewer[:, 0] > found[:, 0]).all() and (found[:, 0] > 0).all()


def test_half_precision_around_it_changes_nothing():
    features = maps()
    with torch.autocast('cpu', torch.bfloat16):
        kept = principal_components(features, 24)
        assert correlation_error(features, kept).max() < 1e-4


@pytest.mark.parametrize('count', [0, 25])
def test_directions_that_are_not_there_are_refused(count):
    with pytest.raises(ValueError, match=f'1 to 24.*got {count}'):
        principal_components(maps(), count)


def test_a_picture_without_features_stays_finite():
    kept = principal_components(torch.zeros(1, 60, 2, 3), 4)
    assert torch.isfinite(kept).all()
