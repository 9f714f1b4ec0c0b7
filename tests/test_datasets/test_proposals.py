"""Crops from the boxes of a COCO file."""

import json

import numpy as np
import pytest
import torch
from coco_world import annotation, content
from PIL import Image

from declip_mm.datasets import DeCLIPImageDataset

VIEWS = dict(type='DeCLIPViews', image_size=64, crop_size=30, crop_scale=1.5)


def load(root, data, **options):
    (root / 'a.json').write_text(json.dumps(data))
    given = dict(
        img_dir='img', ann_file='a.json', proposals=True, views=dict(VIEWS)
    )
    return DeCLIPImageDataset(str(root), **dict(given, **options))


def bare(*boxes):
    """A file without categories, classes or masks."""
    data = content()
    data.pop('categories')
    data['annotations'] = [
        dict(image_id=1, bbox=[x0, y0, x1 - x0, y1 - y0])
        for x0, y0, x1, y1 in boxes
    ]
    return data


def test_box_is_the_region_and_the_crop_is_larger(world):
    data = load(world.root, bare((20, 10, 40, 30)))[0]
    pixels = np.array(Image.open(world.root / 'img' / '1.png'))
    cut = torch.from_numpy(pixels[5:35, 15:45]).permute(2, 0, 1)
    assert torch.equal(data['inputs']['crops'], cut[None])
    boxes = data['data_samples'].boxes
    assert boxes.tolist() == [[0.25, 0.125, 0.5, 0.375]]


def test_at_most_max_boxes_are_drawn_anew_each_epoch(world):
    boxes = [(x, 0, x + 10, 10) for x in range(40)]
    found = load(world.root, bare(*boxes), views=dict(VIEWS, max_boxes=5))
    draws = set()
    for epoch in (0, 1, 0):
        found.set_epoch(epoch)
        drawn = found[0]['data_samples'].boxes
        assert len(drawn) == 5 == len(set(drawn[:, 0].tolist()))
        draws.add(tuple(drawn[:, 0].tolist()))
    assert len(draws) == 2


def test_a_picture_without_boxes_stays(world):
    data = load(world.root, bare((0, 0, 20, 20)))[1]
    assert data['inputs']['crops'].shape == (0, 3, 30, 30)
    assert data['data_samples'].boxes.shape == (0, 4)


def test_area_and_labelled_files(world):
    data = content(annotation(1, (0, 0, 4, 4)), annotation(2, iscrowd=1))
    found = load(world.root, data, proposal_area=(17, 400))
    assert len(found[0]['data_samples'].boxes) == 1
    with pytest.raises(ValueError, match='no box with an area of 500 to'):
        load(world.root, data, proposal_area=(500, 600))


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda d: d['annotations'][0].pop('bbox'), 'has bbox=None'),
        (lambda d: d['annotations'][0].update(image_id=9), 'image_id=9'),
        (lambda d: d['images'][0].update(width=0), 'has width=0'),
    ],
)
def test_refused_files(world, change, message):
    data = bare((0, 0, 20, 20))
    change(data)
    with pytest.raises(ValueError, match=message):
        load(world.root, data)


def test_a_picture_of_another_size_is_refused(world):
    data = bare((0, 0, 20, 20))
    data['images'][0]['height'] = 41
    with pytest.raises(ValueError, match='is 40 x 80 .* says 41 x 80'):
        load(world.root, data)[0]


def test_proposals_need_a_file(world):
    with pytest.raises(ValueError, match='set ann_file'):
        load(world.root, bare((0, 0, 20, 20)), ann_file='')
