"""Who resizes, and that both do the same."""

import numpy as np
import pytest
import torch
from PIL import Image

from declip_mm.datasets.resizing import cut, resized, size_of, to_picture
from declip_mm.datasets.views import DeCLIPViews, SquareView, crop_views


def waves(width=90, height=60):
    """Smooth stripes with some noise, as photographs have both."""
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(0)
    tones = [np.sin(x / 5), np.cos(y / 7), np.sin((x + y) / 9)]
    pixels = 120 + 90 * np.stack(tones, -1)
    noise = rng.integers(-9, 10, pixels.shape)
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize('side', [224, 40, 7])
def test_both_agree_to_a_hundredth_of_a_level(side):
    image = waves()
    size = round(60 * side / 90), side
    pillow, quick = (
        resized(to_picture(image, name), *size).int()
        for name in ('pillow', 'torch')
    )
    assert quick.shape == (3, *size)
    off = (pillow - quick).abs()
    assert off.float().mean() < 0.05 and off.max() <= 2


def test_pillow_is_pillow_s_own_bit_for_bit():
    image = waves()
    expected = np.asarray(image.resize((40, 27), Image.Resampling.BICUBIC))
    found = resized(image, 27, 40).permute(1, 2, 0).numpy()
    assert (found == expected).all()
    assert size_of(image) == size_of(to_picture(image, 'torch')) == (60, 90)


@pytest.mark.parametrize('resize', ['pillow', 'torch'])
def test_a_crop_knows_nothing_of_its_surroundings(resize):
    """Neither white beside it nor black changes its edge."""
    box = (30, 20, 50, 40)
    found = []
    for colour in ('white', 'black'):
        image = Image.new('RGB', (90, 60), colour)
        image.paste((200, 30, 30), box)
        picture = to_picture(image, resize)
        found.append(crop_views(picture, np.array([box]), 64))
        assert (found[-1][0, 0] == 200).all()
    assert torch.equal(*found)
    assert size_of(cut(picture, box)) == (20, 20)


def test_views_are_the_same_whoever_resizes():
    rng = np.random.default_rng
    views = [
        DeCLIPViews(64, 32, 56, max_split=3, resize=name)(waves(), rng(1))
        for name in ('pillow', 'torch')
    ]
    for name, view in views[0][0].items():
        other = views[1][0][name]
        assert view.dtype == other.dtype == torch.uint8
        assert view.is_contiguous() and other.is_contiguous()
        assert (view.int() - other.int()).abs().float().mean() < 0.05
    for name, value in views[0][1].items():
        other = views[1][1][name]
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(other))


def test_a_picture_of_the_right_size_is_left_alone():
    image = waves(64, 48)
    for name in ('pillow', 'torch'):
        view = SquareView(64)(to_picture(image, name))
        pixels = view[:, :48].permute(1, 2, 0).numpy()
        assert (pixels == np.asarray(image)).all()


@pytest.mark.parametrize(
    'options, message',
    [
        (
            dict(resize='cv2'),
            "resize='cv2' is unknown; allowed: pillow, torch",
        ),
        (dict(crops_on='gpu'), "crops_on='gpu' is unknown; allowed: worker"),
    ],
)
def test_unknown_choices_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DeCLIPViews(64, **options)
