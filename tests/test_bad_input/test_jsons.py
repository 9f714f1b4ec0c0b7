"""COCO files of regions that contradict themselves or their pictures."""

import pytest
from bad_input import Case, check
from bad_regions import dataset, with_file
from coco_world import HEIGHT, WIDTH, annotation, content

GOOD = annotation(1)
IMAGES, REGIONS, CLASSES = 'images', 'annotations', 'categories'


def without(part: str, key: str) -> dict:
    value = content(dict(GOOD))
    del value[part][0][key]
    return value


def changed(part: str, **values) -> dict:
    value = content(dict(GOOD))
    value[part][0].update(values)
    return value


def lacking(part: str) -> dict:
    value = content(dict(GOOD))
    del value[part]
    return value


def twice(part: str) -> dict:
    value = content(dict(GOOD))
    value[part].append(dict(value[part][0]))
    return value


def second(reason: str, name: str, **values) -> Case:
    """A second region that is left out for a reason."""

    def act(folder):
        box = values.pop('box', (10, 10, 20, 20))
        bad = annotation(77, box, **values)
        data = dataset(folder, content(dict(GOOD), bad))
        return 2 - len(data[0]['data_samples'].region_labels)

    return Case(name, act, 'annotation 77', reason, 'skipped')


REFUSED = [
    ('empty', '', 'regions.json', 'json file'),
    ('cut short', '{"images": [', 'regions.json', 'json file'),
    ('not UTF-8', '{"a": "\udcff"}', 'regions.json', 'UTF-8'),
    ('a list', [], 'holds a list', 'expected an object'),
    ('a number', 3, 'holds a int', 'expected an object'),
    ('null', 'null', 'NoneType', 'expected an object'),
    *(
        (f'no {part}', lacking(part), f'no list {part!r}', 'only')
        for part in (IMAGES, REGIONS, CLASSES)
    ),
    ('images null', dict(content(), images=None), 'NoneType', 'no list'),
    *(
        (
            f'image without {key}',
            without(IMAGES, key),
            f'no {key}',
            'images[0]',
        )
        for key in ('id', 'file_name')
    ),
    ('one id a text', changed(IMAGES, id='x'), "id='x'", 'expected int'),
    ('height a float', changed(IMAGES, height=4.5), '4.5', 'expected int'),
    ('height 0', changed(IMAGES, height=0), 'height=0', '1 or more'),
    ('width negative', changed(IMAGES, width=-3), 'width=-3', '1 or more'),
    ('name empty', changed(IMAGES, file_name=''), "file_name=''", 'name'),
    ('image a list', dict(content(), images=[[1]]), '[1]', 'object'),
    ('images twice', twice(IMAGES), 'id 1', 'Remove one'),
    *(
        (
            f'region without {key}',
            without(REGIONS, key),
            f'no {key}',
            'annotations[0]',
        )
        for key in ('image_id', 'category_id')
    ),
    ('regions twice', twice(REGIONS), 'id 1', 'Remove one'),
    ('no such image', changed(REGIONS, image_id=99), '99', 'images'),
    ('huge image id', changed(REGIONS, image_id=10**30), '0' * 30, 'images'),
    ('no such category', changed(REGIONS, category_id=4), '4', '3, 7'),
    ('boolean id', changed(REGIONS, id=True), 'True', 'expected int'),
    ('no box', without(REGIONS, 'bbox'), 'None', 'four numbers'),
    ('box of three', changed(REGIONS, bbox=[1, 2, 3]), '[1, 2, 3]', 'four'),
    ('box a text', changed(REGIONS, bbox='all'), "'all'", 'four numbers'),
    ('box NaN', '@nan', 'nan', 'four numbers'),
    ('box infinite', '@inf', 'inf', 'four numbers'),
    ('box of booleans', changed(REGIONS, bbox=[True] * 4), 'True', 'four'),
    ('categories twice', twice(CLASSES), '7', 'Remove one'),
    ('same name', changed(CLASSES, name='cat'), "'cat'", 'Remove one'),
    ('name a number', changed(CLASSES, name=3), 'name=3', 'expected str'),
    ('no name', without(CLASSES, 'name'), 'no name', 'expected str'),
    ('nothing to classify', content(), 'regions.json', 'no picture with'),
]


def refused(name, value, got, allowed):
    if value in ('@nan', '@inf'):
        number = float(value[1:])
        value = changed('annotations', bbox=[0, 0, number, 3])
    return Case(name, with_file(value), got, allowed)


CASES = [
    *(refused(*row) for row in REFUSED),
    second('crowd', 'a crowd', iscrowd=1),
    second('without area', 'no area', bbox=[5, 5, 0, 3]),
    second('without area', 'negative area', bbox=[5, 5, -4, 3]),
    second('outside the picture', 'outside', bbox=[500, 5, 9, 9]),
    second('area not in', 'too small', bbox=[5, 5, 2, 2]),
    second('no polygon', 'no polygon', segmentation=[]),
    second('4 numbers', 'a box for a mask', segmentation=[[1, 2, 3, 4]]),
    second('7 numbers', 'odd polygon', segmentation=[[1] * 7]),
    second('no list of numbers', 'text polygon', segmentation=['abc']),
    second('a int is no', 'mask a number', segmentation=0),
    second('its size is', 'size', segmentation=dict(size=[1, 1], counts='a')),
    second(
        'sum to 3',
        'counts',
        segmentation=dict(size=[HEIGHT, WIDTH], counts=[3]),
    ),
    second(
        'no whole numbers',
        'negative counts',
        segmentation=dict(size=[HEIGHT, WIDTH], counts=[-3, 3]),
    ),
    second(
        'its counts are',
        'no counts',
        segmentation=dict(size=[HEIGHT, WIDTH]),
    ),
    second(
        'cannot be decoded',
        'garbage counts',
        segmentation=dict(size=[HEIGHT, WIDTH], counts='%%%\x01'),
    ),
    Case(
        'box over the edge',
        with_file(changed('annotations', bbox=[70, 30, 99, 99])),
        1,
        outcome='read',
    ),
    Case(
        'unknown class',
        with_file(content(dict(GOOD)), classes=['dog']),
        'no class dog',
        'it has cat, sky',
    ),
    Case(
        'class twice',
        with_file(content(dict(GOOD)), classes=['cat', 'cat']),
        'cat, cat',
        'remove one',
    ),
    Case(
        'size 0',
        with_file(content(dict(GOOD)), image_size=0),
        'got 0',
        '1 or more',
    ),
    Case(
        'crops of an unknown kind',
        with_file(content(dict(GOOD)), crops=dict(side=3)),
        "'side': 3",
        'expected dict(size=224',
    ),
]


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_json(case, tmp_path):
    check(case, tmp_path)
