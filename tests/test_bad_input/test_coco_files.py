"""COCO files with one oddity each, in everything that reads them."""

import json

import pytest
from bad_input import Case, check
from coco_consumers import (
    LABELLED,
    changed,
    detection,
    regions,
    sound,
    unlabelled,
    write,
)

# How to spoil a file; each gets the sound content.
IMAGES, BOXED, CLASSES = 'images', 'annotations', 'categories'


def first(part, **values):
    return lambda c: c[part][0].update(values)


def each(part, **values):
    def change(content):
        for entry in content[part]:
            entry.update(values)

    return change


def drop(part, *keys):
    def change(content):
        for entry in content[part]:
            for key in keys:
                entry.pop(key, None)

    return change


def more(part, **values):
    def change(content):
        content[part].append(dict(content[part][0], **values))

    return change


def ids_as(kind):
    def change(content):
        for part, keys in (
            (IMAGES, ['id']),
            (BOXED, ['id', 'image_id', 'category_id']),
            (CLASSES, ['id']),
        ):
            for entry in content[part]:
                entry.update({key: kind(entry[key]) for key in keys})

    return change


def back_slashes(content):
    for entry in content[IMAGES]:
        entry['file_name'] = entry['file_name'].replace('/', '\\')


def urls(content):
    for entry in content[IMAGES]:
        entry['coco_url'] = f'http://a.example/b/{entry.pop("file_name")}'


def flat_polygons(content):
    for entry in content[BOXED]:
        if isinstance(entry['segmentation'], list):
            entry['segmentation'] = entry['segmentation'][0]


def truth_values(content):
    for entry in content[BOXED]:
        entry['iscrowd'] = bool(entry['iscrowd'])


def uncrowded(content):
    """Crowds keep their flag; others lose theirs."""
    for entry in content[BOXED]:
        if not entry['iscrowd']:
            del entry['iscrowd']


def null_flags(content):
    for entry in content[BOXED]:
        entry['iscrowd'] = entry['iscrowd'] or None


def one_without_id(content):
    del content[BOXED][1]['id']


def corners(content):
    content[BOXED] = [
        dict(
            content[BOXED][0],
            id=n,
            bbox=[40 + n, 20 + n / 2, 60 + n, 30 + n / 2],
        )
        for n in range(1, 11)
    ]


def many_missing(content):
    content[IMAGES] += [
        dict(id=n, file_name=f'gone{n}.png', height=9, width=9)
        for n in range(40, 45)
    ]


def marked(content):
    return b'\xef\xbb\xbf' + json.dumps(content).encode()


def panoptic(content):
    content[BOXED] = [dict(image_id=11, file_name='x.png', segments_info=[])]


REFUSED = [
    ('image id twice', more(IMAGES, file_name='b'), 'id 11', 'Remove one'),
    ('a picture twice', more(IMAGES, id=99), "'deep/1.png'", 'Remove one'),
    ('box id twice', more(BOXED), 'id 21', 'Remove one'),
    ('category id twice', more(CLASSES, name='x'), 'id 7', 'Remove one'),
    ('name twice', more(CLASSES, id=99), "'sky'", 'Remove one'),
    ('name in capitals', more(CLASSES, id=99, name='SKY'), "'SKY'", 'case'),
    ('name of blanks', first(CLASSES, name='  '), "'  '", 'name of a class'),
    ('unlisted picture', first(BOXED, image_id=5), 'image_id=5', 'Add it'),
    ('unknown category', first(BOXED, category_id=5), 'category_id=5', '3, 7'),
    ('text for a number', each(BOXED, image_id='11'), "'11'", 'expected int'),
    ('class as text', each(BOXED, category_id='7'), "'7'", 'expected int'),
    ('half an id', first(BOXED, image_id=11.5), '11.5', 'expected int'),
    ('NaN box', first(BOXED, bbox=[1, 2, float('nan'), 3]), 'nan', 'width'),
    ('infinite box', first(BOXED, bbox=[1, 2, float('inf'), 3]), 'inf', 'x'),
    ('empty box', first(BOXED, bbox=[]), 'annotation 21', 'four numbers'),
    ('no box', drop(BOXED, 'bbox'), 'bbox=None', 'four numbers'),
    ('text box', first(BOXED, bbox=list('1234')), "'1'", 'four numbers'),
    ('crowd of 2', first(BOXED, iscrowd=2), 'iscrowd=2', '0 or 1'),
    ('negative area', first(BOXED, area=-4), 'area=-4', 'number of pixels'),
    ('NaN area', first(BOXED, area=float('nan')), 'nan', 'number of pixels'),
    ('one id missing', one_without_id, 'no id', 'int'),
    ('corners', corners, '10 boxes', 'x, y, width, height'),
    ('missing files', many_missing, '5 of 7', 'gone40.png, gone41.png'),
    ('height 0', first(IMAGES, height=0), 'height=0', '1 or more'),
    ('no image', lambda c: c[IMAGES].clear(), 'no image', 'under images'),
    ('panoptic', panoptic, 'panoptic file', 'instances file'),
]
READ = [
    ('floats as ids', ids_as(float)),
    ('digits as ids', ids_as(str)),
    ('texts as ids', ids_as(lambda n: f'n{n}')),
    ('no area', drop(BOXED, 'area')),
    ('area 0', each(BOXED, area=0)),
    ('area null', each(BOXED, area=None)),
    ('no flags', uncrowded),
    ('flags null', null_flags),
    ('flags true and false', truth_values),
    ('no sizes', drop(IMAGES, 'height', 'width')),
    ('float sizes', each(IMAGES, height=40.0, width=80.0)),
    ('back-slashes', back_slashes),
    ('byte order mark', marked),
    ('urls for names', urls),
    ('flat polygons', flat_polygons),
    ('box ids from 0', lambda c: c[BOXED][0].update(id=0)),
    ('no ids of boxes', drop(BOXED, 'id')),
    ('unknown keys', each(BOXED, score=1, note='x')),
]
# What the sound file gives; regions leave crowds out.
OBJECTS = {
    'deep/1.png': [
        (1, 0, [10.0, 10.0, 30.0, 22.0]),
        (0, 0, [4.0, 6.0, 16.0, 26.0]),
        (1, 1, [10.0, 10.0, 30.0, 22.0]),
    ],
    'deep/2.png': [(0, 0, [30.0, 8.0, 60.0, 28.0])],
}
SOUND = dict(
    detection=OBJECTS,
    proposals={k: [box for *_, box in v] for k, v in OBJECTS.items()},
    regions={
        k: [(label, box) for label, crowd, box in v if not crowd]
        for k, v in OBJECTS.items()
    },
)


def feed(consumer, change, **options):
    return lambda folder: consumer(folder, changed(change), **options)


def refused():
    for name, change, got, allowed in REFUSED:
        for kind, consumer in LABELLED.items():
            act = feed(consumer, change)
            yield Case(f'{kind}: {name}', act, got, allowed)


def read():
    for name, change in READ:
        for kind, consumer in LABELLED.items():
            act = feed(consumer, change)
            yield Case(f'{kind}: {name}', act, SOUND[kind], outcome='read')


def left_out(name, reason, masks=False, **values):
    """The second box is of no use to a detector."""

    def act(folder):
        content = changed(lambda c: c[BOXED][1].update(values))
        found = detection(folder, content, masks)
        return 4 - sum(map(len, found.values()))

    return Case(f'detection: {name}', act, f'1 left out, {reason}', '22')


def skipped():
    for case in (
        left_out('box without area', 'without area', bbox=[5, 5, 0, 9]),
        left_out('box elsewhere', 'outside', bbox=[900, 5, 9, 9]),
        left_out('narrow box', 'a side shorter', bbox=[5, 5, 0.5, 9]),
        left_out('ignored box', 'flagged ignore', ignore=1),
        left_out('no mask', 'without a mask', True, segmentation=None),
        left_out(
            'a line', 'a polygon has 4', True, segmentation=[[1, 2, 3, 4]]
        ),
    ):
        yield case._replace(outcome='skipped')


def metric(kind='CocoMetric', change=None, **options):
    """A metric on a changed file, built and told the classes."""

    def act(folder):
        from mmdet.registry import METRICS

        import declip_mm.detection  # noqa: F401

        path = write(folder, changed(change or (lambda c: None)))
        classes = options.pop('classes', ('cat', 'sky'))
        found = METRICS.build(dict(type=kind, ann_file=str(path), **options))
        found.dataset_meta = dict(classes=classes, labels_follow_classes=True)

    return act


def train_on(**options):
    return feed(detection, lambda c: None, **options)


def without_images(folder):
    from declip_mm.detection import OpenVocabDetDataset

    path = write(folder, sound())
    OpenVocabDetDataset(
        ann_file=str(path), data_prefix=dict(img=str(folder / 'no'))
    )


CASES = [
    *refused(),
    *read(),
    *skipped(),
    Case(
        'regions: boxes alone',
        feed(regions, drop(BOXED, 'segmentation')),
        SOUND['regions'],
        outcome='read',
    ),
    Case(
        'detection: masks wanted, none there',
        feed(detection, drop(BOXED, 'segmentation'), masks=True),
        '4 objects of the 2 classes',
        'need a mask here',
    ),
    Case(
        'detection: nothing to train on',
        feed(detection, lambda c: c[BOXED].clear()),
        '0 objects',
        'check annotations',
    ),
    Case(
        'detection: novel classes alone',
        train_on(metainfo=dict(novel_classes=('cat', 'sky'))),
        '0 objects',
        'Training needs some',
    ),
    Case(
        'detection: class twice',
        train_on(metainfo=dict(classes=('cat', 'sky', 'cat'))),
        "['cat'] twice",
        'remove one',
    ),
    Case(
        'detection: no folder of pictures',
        without_images,
        'image folder',
        'Check data_root',
    ),
    Case(
        'metric: unknown class',
        metric(classes=('cat', 'dog')),
        'dog',
        'the same file',
    ),
    Case(
        'LVIS metric: unknown class',
        metric(
            'FasterLVISMetric',
            each(CLASSES, frequency='f'),
            classes=('cat', 'dog'),
        ),
        'dog',
        'the same file',
    ),
    Case(
        'LVIS metric: texts as ids',
        metric('FasterLVISMetric', ids_as(lambda n: f'n{n}')),
        'n11, n12',
        'Number them',
    ),
    Case(
        'metric: no object',
        metric(change=lambda c: c[BOXED].clear()),
        'no object',
        'format_only',
    ),
    Case(
        'metric: no mask to measure',
        metric(change=drop(BOXED, 'segmentation'), metric='segm'),
        'no object with a mask',
        'annotated file',
    ),
    Case(
        'metric: box id twice',
        metric(change=more(BOXED)),
        'id 21',
        'Remove one',
    ),
    *(
        Case(
            f'unlabelled: {name}',
            feed(unlabelled, change),
            [e['file_name'] for e in sound()[IMAGES]],
            outcome='read',
        )
        for name, change in (
            ('byte order mark', marked),
            ('back-slashes', back_slashes),
            ('urls for names', urls),
            ('no ids', drop(IMAGES, 'id')),
            ('boxes of any kind', each(BOXED, bbox='x')),
        )
    ),
    Case(
        'unlabelled: missing files',
        feed(unlabelled, many_missing),
        '5 of 7',
        'gone40.png, gone41.png',
    ),
    Case(
        'unlabelled: name a number',
        feed(unlabelled, first(IMAGES, file_name=7)),
        'file_name=7',
        'name of a picture',
    ),
]


def test_the_sound_file_is_as_said(tmp_path):
    for kind, consumer in LABELLED.items():
        assert consumer(tmp_path, sound()) == SOUND[kind], kind


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_coco_file(case, tmp_path):
    check(case, tmp_path)
