"""Crops of the device are those of the workers."""

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.structures import BaseDataElement
from PIL import Image

from declip_mm.datasets.grid import enlarge, grid_cells, rng_for
from declip_mm.datasets.views import DeCLIPViews, crop_views
from declip_mm.models import DeCLIPPreprocessor, cropping


def scene(width=150, height=100):
    y, x = np.mgrid[:height, :width]
    tones = [np.sin(x / 9), np.cos(y / 7), np.sin((x + y) / 11)]
    pixels = (120 + 100 * np.stack(tones, -1)).astype(np.uint8)
    return Image.fromarray(pixels)


def planes(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


@pytest.mark.parametrize('shape', [(1, 1), (3, 4), (6, 6)])
def test_agrees_with_pillow_to_a_level(shape):
    image = scene()
    cells, _ = grid_cells(100, 150, *shape)
    expected = crop_views(image, cells, 48).int()
    found = cropping.cut_crops(planes(image), torch.from_numpy(cells), 48)
    assert found.dtype == torch.uint8
    off = (found.int() - expected).abs()
    assert off.max() <= 1 and off.float().mean() < 0.1


def test_agrees_as_the_device_computes_it(monkeypatch):
    """In float32, which this machine can do as well."""
    calls = []

    def on_device(parts, height, width):
        calls.append(len(parts))
        return resized(parts.to(torch.float32), height, width)

    def resized(parts, height, width):
        found = torch.nn.functional.interpolate(
            parts, (height, width), mode='bicubic', antialias=True
        )
        return found.round().clamp(0, 255).to(torch.uint8)

    monkeypatch.setattr(cropping, '_resized', on_device)
    image = scene(151, 101)
    cells, _ = grid_cells(101, 151, 4, 6)
    found = cropping.cut_crops(planes(image), torch.from_numpy(cells), 48)
    off = (found.int() - crop_views(image, cells, 48).int()).abs()
    assert off.max() <= 3 and off.float().mean() < 0.5
    assert sum(calls) == 24 and len(calls) <= 4  # one call for each size


def test_no_box_and_a_pixel():
    picture = planes(scene())
    assert cropping.cut_crops(picture, torch.zeros(0, 4).long(), 8).shape == (
        0,
        3,
        8,
        8,
    )
    pixel = cropping.cut_crops(picture, torch.tensor([[3, 2, 4, 3]]), 8)
    assert (pixel[0] == picture[:, 2:3, 3:4]).all()


def items(crops_on, sizes=((150, 100), (90, 120)), **options):
    views = DeCLIPViews(
        64, 32, None, max_split=3, resize='torch', crops_on=crops_on, **options
    )
    found = []
    for index, size in enumerate(sizes):
        inputs, fields = views(scene(*size), rng_for(0, 0, index))
        meta = dict(crop_view=views.crop_view)
        sample = BaseDataElement(metainfo=meta, **fields)
        found.append(dict(inputs=inputs, data_samples=sample))
    return found


@pytest.mark.parametrize('scale', [1.0, 1.5])
def test_a_batch_is_the_same_wherever_it_is_cut(scale):
    preprocess = DeCLIPPreprocessor()
    worker, device = (
        preprocess(pseudo_collate(items(where, crop_scale=scale)))
        for where in ('worker', 'device')
    )
    assert set(device['inputs']) == {'image', 'crops'}
    for name, batch in worker['inputs'].items():
        torch.testing.assert_close(device['inputs'][name], batch)
    for ours, theirs in zip(worker['data_samples'], device['data_samples']):
        assert torch.equal(ours.boxes, theirs.boxes)


def test_large_pictures_are_sent_smaller(monkeypatch):
    from declip_mm.datasets import views

    monkeypatch.setattr(views, '_SENT_SIDE', 60)
    (item,) = items('device', sizes=[(150, 100)])
    assert item['inputs']['picture'].shape == (3, 40, 60)
    cuts = item['data_samples'].cuts
    assert cuts[:, 2].max() == 60 and cuts[:, 3].max() == 40
    assert (cuts[:, 2:] > cuts[:, :2]).all()
    (whole,) = items('worker', sizes=[(150, 100)])
    found = cropping.cut_crops(item['inputs']['picture'], cuts, 32)
    off = (found.int() - whole['inputs']['crops'].int()).abs()
    assert off.float().mean() < 5


def test_a_picture_without_its_boxes_is_refused():
    (item,) = items('device', sizes=[(150, 100)])
    del item['data_samples'].cuts
    with pytest.raises(ValueError, match='needs a sample with cuts'):
        DeCLIPPreprocessor()(pseudo_collate([item]))


def test_boxes_stay_whole_pixels_of_the_picture():
    cells, _ = grid_cells(100, 150, 2, 3)
    (item,) = items('device', sizes=[(150, 100)])
    assert item['data_samples'].cuts.dtype == torch.int64
    assert enlarge(cells, 1, 100, 150).tolist() == cells.tolist()
