"""Pixel statistics: left out, equal, different, declared."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.model import ImgDataPreprocessor
from mmengine.registry import MODELS

from declip_mm.models import DeCLIPPreprocessor, pixels
from declip_mm.models.pixels import (
    CLIP,
    complete_pixels,
    fit_pixels,
    match_pixels,
    normalise,
)

SIGLIP = SimpleNamespace(pixel_mean=(0.5,) * 3, pixel_std=(0.5,) * 3)
GREY = [127.5] * 3


def test_normalise():
    image = torch.full((3, 2, 2), 255, dtype=torch.uint8)
    mean = torch.tensor(GREY).view(3, 1, 1)
    assert torch.equal(normalise(image, mean, mean), torch.ones(3, 2, 2))


def test_left_out_and_equal():
    assert match_pixels('mean', None, SIGLIP) == (127.5,) * 3
    assert match_pixels('vfm_std', [127.6, 127.5, 127.4], SIGLIP) == (
        127.6,
        127.5,
        127.4,
    )


def test_different_and_declared(monkeypatch):
    lines = []
    monkeypatch.setattr(pixels, 'print_log', lambda m, **_: lines.append(m))
    with pytest.raises(ValueError) as error:
        match_pixels('mean', CLIP[0], SIGLIP)
    assert str(error.value) == (
        'SimpleNamespace wants pixel mean [127.5, 127.5, 127.5], the data '
        'preprocessor has mean=[122.77, 116.75, 104.09]. Set its mean to the '
        'former, or leave it out; if the difference is meant, declare it '
        "there: foreign_pixels='why'."
    )
    assert match_pixels('mean', CLIP[0], SIGLIP, 'as published') == CLIP[0]
    assert len(lines) == 1
    assert lines[0].endswith('104.09], as declared: as published')


def test_ours_adopt():
    ours = DeCLIPPreprocessor()
    assert ours.mean.flatten().tolist() == pytest.approx(CLIP[0])
    fit_pixels(ours, SIGLIP)
    fit_pixels(ours, SIGLIP, 'vfm_')
    for name in ('mean', 'std', 'vfm_mean', 'vfm_std'):
        assert getattr(ours, name).flatten().tolist() == GREY
    other = SimpleNamespace(pixel_mean=(0.1,) * 3, pixel_std=(0.5,) * 3)
    with pytest.raises(ValueError, match=r'mean=\[127.5'):
        fit_pixels(ours, other)  # of a second network


def test_those_of_others_are_compared():
    fit_pixels(ImgDataPreprocessor(), SIGLIP)  # normalises nothing
    fit_pixels(ImgDataPreprocessor(mean=GREY, std=GREY), SIGLIP)
    with pytest.raises(ValueError, match='pixel std'):
        fit_pixels(ImgDataPreprocessor(mean=GREY, std=[1, 1, 1]), SIGLIP)


def test_configs_of_others_are_completed():
    def complete(**config):
        return complete_pixels(
            dict(type='ImgDataPreprocessor', **config), SIGLIP, MODELS
        )

    found = complete(pad_value=3)
    assert found == dict(
        type='ImgDataPreprocessor',
        pad_value=3,
        mean=GREY,
        std=GREY,
        bgr_to_rgb=True,
    )
    MODELS.build(found)
    assert complete(foreign_pixels='why not', mean=CLIP[0])['mean'] == list(
        CLIP[0]
    )
    with pytest.raises(ValueError, match='bgr_to_rgb=False.*wants RGB'):
        complete(bgr_to_rgb=False)
    with pytest.raises(ValueError, match='rgb_to_bgr=True'):
        complete(rgb_to_bgr=True)
    declared = complete(bgr_to_rgb=False, foreign_pixels='loaded as RGB')
    assert declared['bgr_to_rgb'] is False
    plain = dict(type='BaseDataPreprocessor')  # has no statistics
    assert complete_pixels(plain, SIGLIP, MODELS) == plain
