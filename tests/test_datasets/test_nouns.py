"""Boxes with nouns for RegionCLIP."""

import json

import pytest
import torch
from coco_world import content

from declip_mm.datasets import DeCLIPNounDataset

VIEWS = dict(type='NounViews', image_size=64, crop_size=None, max_boxes=3)


def data(*notes):
    """Notes are (image id, category id, x0)."""
    found = content()
    found['categories'] = [
        dict(id=7, name='zebra'),
        dict(id=3, name='apple'),
    ]
    found['annotations'] = [
        dict(image_id=image, category_id=category, bbox=[x0, 0, 10, 10])
        for image, category, x0 in notes
    ]
    return found


def load(root, content, **options):
    (root / 'a.json').write_text(json.dumps(content))
    given = dict(img_dir='img', ann_file='a.json', views=dict(VIEWS))
    return DeCLIPNounDataset(data_root=str(root), **dict(given, **options))


def test_labels_go_with_the_first_boxes(world):
    notes = [(1, 7, 0), (1, 3, 20), (1, 3, 40), (1, 7, 30)]
    found = load(world.root, data(*notes))
    assert found.metainfo['classes'] == ('apple', 'zebra')
    assert len(found) == 1  # pictures without a box are left out
    for epoch in (0, 1):
        found.set_epoch(epoch)
        item = found[0]
        assert 'crops' not in item['inputs']
        sample = item['data_samples']
        assert sample.labels.tolist() == [1, 0, 0]
        assert sample.labels.dtype == torch.int64
        assert (sample.boxes[:, 0] * 80).tolist() == [0, 20, 40]


@pytest.mark.parametrize('category', [None, 5, 'zebra', [3]])
def test_an_unknown_category_is_refused(world, category):
    with pytest.raises(ValueError, match=r'annotations\[1\] has category'):
        load(world.root, data((1, 7, 0), (1, category, 20)))


def test_two_equal_nouns_are_refused(world):
    wrong = data((1, 3, 0))
    wrong['categories'][0]['name'] = 'apple'
    with pytest.raises(ValueError, match="two categories called 'apple'"):
        load(world.root, wrong)


def test_other_views_would_lose_the_nouns(world):
    views = dict(type='DeCLIPViews', image_size=64)
    with pytest.raises(TypeError, match='must be NounViews'):
        load(world.root, data((1, 3, 0)), views=views)
