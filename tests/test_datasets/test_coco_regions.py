"""What a COCO file of regions may hold, and what is refused."""

import json

import pytest
from coco_world import HEIGHT, WIDTH, annotation, content

from declip_mm.datasets.coco_regions import read_regions


def test_what_is_left_out_is_counted_and_named(world):
    bad = [
        annotation(1),
        annotation(2, iscrowd=1),
        annotation(3, bbox=[5, 5, 0, 9]),
        annotation(4, bbox=[90, 5, 9, 9]),
        annotation(5, bbox=[0, 0, 3, 3]),
        annotation(6, segmentation=[]),
        annotation(7, segmentation=[[1, 2, 3, 4]]),
        annotation(8, bbox=[-5, -5, 15, 15]),
    ]
    (world.root / 'a.json').write_text(json.dumps(content(*bad)))
    found = read_regions(world.root / 'a.json', False, 64, 1024)
    assert found.skipped == {
        'crowd': ['annotation 2'],
        'without area': ['annotation 3'],
        'outside the picture': ['annotation 4'],
        'area not in 64 to 1024 px': ['annotation 5'],
        'no polygon': ['annotation 6'],
        'a polygon has 4 numbers': ['annotation 7'],
    }
    kept = found.images[0]['regions']
    assert [r['name'] for r in kept] == ['annotation 1', 'annotation 8']
    assert kept[1]['box'] == [0, 0, 10, 10]


def test_area_limits_are_inclusive_and_of_the_original(world):
    data = content(
        annotation(1, (0, 0, 8, 8)),
        annotation(2, (0, 0, 32, 32)),
        annotation(3, (0, 0, 33, 32)),
    )
    found = world(data, min_area=64, max_area=1024, image_size=16)
    assert len(found[0]['data_samples'].boxes) == 2


def wrong(change):
    data = content(annotation(1))
    change(data)
    return data


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda d: d.pop('categories'), "no list 'categories'"),
        (lambda d: d.update(images={}), "no list 'images': it is a dict"),
        (
            lambda d: d['annotations'].append(annotation(1)),
            'two annotations with id 1',
        ),
        (lambda d: d['images'][1].update(id=1), 'two images with id 1'),
        (
            lambda d: d['categories'][0].update(name='cat'),
            "two categories called 'cat'",
        ),
        (
            lambda d: d['annotations'][0].update(category_id=9),
            'annotation 1 has category_id=9, .* categories: 3, 7',
        ),
        (
            lambda d: d['annotations'][0].update(image_id=9),
            'annotation 1 has image_id=9, which is none of its images',
        ),
        (
            lambda d: d['annotations'][0].update(bbox=[1, 2, 3]),
            r'annotation 1 has bbox=\[1, 2, 3\]',
        ),
        (
            lambda d: d['annotations'][0].update(bbox=[1, 2, None, 4]),
            'expected four numbers',
        ),
        (
            lambda d: d['annotations'][0].update(id=1.5),
            r'annotations\[0\] has id=1.5; expected int',
        ),
        (
            lambda d: d['images'][0].update(height='40'),
            r"images\[0\] has height='40'; expected int",
        ),
        (
            lambda d: d['annotations'].insert(0, 7),
            r'annotations\[0\] is no object, got 7',
        ),
        (
            lambda d: d['annotations'].clear(),
            'no picture with a region',
        ),
        (
            lambda d: d['annotations'][0].update(segments_info=[]),
            'is a panoptic file, read as an instances one: set panoptic_dir',
        ),
        (
            lambda d: d['images'][0].update(file_name='gone.png'),
            '1 of 2 files .* gone.png',
        ),
    ],
)
def test_contradictions_are_refused(world, change, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        world(wrong(change))


def test_a_mask_of_another_picture_is_left_out(world):
    other = dict(size=[5, 5], counts=[25])
    short = dict(size=[HEIGHT, WIDTH], counts=[7])
    found = world(
        content(
            annotation(1),
            annotation(2, segmentation=other),
            annotation(3, segmentation=short),
            annotation(4, segmentation='x'),
        )
    )
    assert len(found[0]['data_samples'].boxes) == 1


def test_picture_of_another_size_is_refused(world):
    data = content(annotation(1))
    data['images'][0]['height'] = 41
    whole = dict(size=[41, WIDTH], counts=[0, 41 * WIDTH])
    data['annotations'][0]['segmentation'] = whole
    with pytest.raises(ValueError, match='is 40 x 80 .* says 41 x 80'):
        world(data)[0]


def test_boxes_alone(world):
    """No mask in the whole file: boxes are all there is."""
    bare = [annotation(1), annotation(2, (30, 4, 60, 8), category_id=7)]
    for entry in bare:
        del entry['segmentation']
    found = world(content(*bare))
    assert found.metainfo['masks'] is False
    sample = found[0]['data_samples']
    assert 'masks' not in sample
    assert sample.region_labels.tolist() == [0, 1]
    # the box of stuff stays as it is, for there is no mask to take one from
    assert sample.boxes[1].tolist() == pytest.approx([0.375, 0.05, 0.75, 0.1])


def test_regions_without_a_mask_among_others(world):
    bare = annotation(2)
    del bare['segmentation']
    (world.root / 'a.json').write_text(
        json.dumps(content(annotation(1), bare))
    )
    found = read_regions(world.root / 'a.json', False, 64, 1024)
    assert found.masks
    assert found.skipped == {'without a mask': ['annotation 2']}


def test_classes_select_and_order(world):
    data = content(annotation(1), annotation(2, category_id=7))
    found = world(data, classes=['sky', 'cat'])
    assert found.metainfo['classes'] == ('sky', 'cat')
    assert found[0]['data_samples'].region_labels.tolist() == [1, 0]
    few = world(data, metainfo=dict(classes=['sky']))
    assert few[0]['data_samples'].region_labels.tolist() == [0]
    with pytest.raises(ValueError, match='no class dog; it has cat, sky'):
        world(data, classes=['dog'])
    with pytest.raises(ValueError, match='a name twice'):
        world(data, classes=['cat', 'cat'])
