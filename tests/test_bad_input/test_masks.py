"""Panoptic files, their PNGs and class maps that do not fit."""

from collections.abc import Callable

import pytest
from bad_input import Case, check
from bad_regions import dataset, with_file
from coco_world import HEIGHT, WIDTH, annotation, content
from PIL import Image

GOOD = annotation(1)


def panoptic(**segment) -> dict:
    part = dict(id=5, category_id=3, bbox=[10, 10, 10, 10], iscrowd=0)
    part.update(segment)
    value = content()
    value['annotations'] = [
        dict(image_id=1, file_name='1.png', segments_info=[part])
    ]
    return value


def panoptic_file(value: dict, size=(WIDTH, HEIGHT)) -> Callable:
    def act(folder):
        masks = folder / 'panoptic'
        masks.mkdir()
        Image.new('RGB', size, (5, 0, 0)).save(masks / '1.png')
        data = dataset(folder, value, panoptic_dir=str(masks))
        return len(data[0]['data_samples'].region_labels)

    return act


def empty_mask(folder):
    value = panoptic()
    other = dict(value['annotations'][0]['segments_info'][0], id=9)
    value['annotations'][0]['segments_info'].append(other)
    return 2 - panoptic_file(value)(folder)


def class_map(size, mode='L', colour=0) -> Callable:
    def act(folder):
        maps = folder / 'maps'
        maps.mkdir()
        for name in ('1.png', '2.png'):
            Image.new(mode, size, colour).save(maps / name)
        return dataset(folder, content(dict(GOOD)), seg_dir=str(maps))[0]

    return act


CASES = [
    Case(
        'panoptic read as instances',
        with_file(panoptic()),
        'a panoptic file',
        'set panoptic_dir',
    ),
    Case(
        'instances read as panoptic',
        panoptic_file(content(dict(GOOD))),
        'an instances file',
        'leave panoptic_dir out',
    ),
    Case('panoptic', panoptic_file(panoptic()), 1, outcome='read'),
    Case(
        'panoptic, no segments',
        panoptic_file(panoptic(id='x')),
        "id='x'",
        'expected int',
    ),
    Case(
        'panoptic PNG of another size',
        panoptic_file(panoptic(), (8, 8)),
        '8 x 8',
        f'says {HEIGHT} x {WIDTH}',
    ),
    Case('segment not in the PNG', empty_mask, '9', 'empty masks', 'skipped'),
    Case(
        'class map of another size',
        class_map((8, 8)),
        '(8, 8)',
        'one value per pixel',
    ),
    Case(
        'class map in colour',
        class_map((WIDTH, HEIGHT), 'RGB', 'red'),
        f'({HEIGHT}, {WIDTH}, 3)',
        'one value per pixel',
    ),
]


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_mask(case, tmp_path):
    check(case, tmp_path)
