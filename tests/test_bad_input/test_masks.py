"""Panoptic files, their PNGs and class maps that do not fit."""

from collections.abc import Callable

import numpy as np
import pytest
from bad_input import Case, check
from bad_regions import dataset, with_file
from coco_world import HEIGHT, WIDTH, annotation, content
from PIL import Image
from seg_world import LABELS, labels_of, load_set, save, write_set

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


def with_labels(labels, convert=lambda image: image, **options) -> Callable:
    """A segmentation set whose two maps hold some labels."""

    def act(folder):
        write_set(folder)
        for name in ('a.png', 'b.png'):
            image = convert(Image.fromarray(np.asarray(labels)))
            kind = options.get('kind', 'PNG')
            save(folder / 'maps' / name, image, format=kind)
        own = {k: v for k, v in options.items() if k != 'kind'}
        return labels_of(load_set(folder, **own))

    return act


def plus(number):
    """Other labels for the classes; in :data:`LABELS` 255 wraps to 0."""
    return np.where(LABELS == 255, LABELS, LABELS + number).astype(np.uint8)


def palette(image):
    image.putpalette([9, 0, 200] * 256)
    return image


def see_through(image):
    image = image.convert('RGBA')
    image.putpixel((0, 0), (0, 0, 0, 7))
    return image


def coloured(image):
    colours = np.array([[0, 0, 0], [0, 200, 0], [9, 9, 200]], np.uint8)
    return Image.fromarray(colours[np.asarray(image) % 3])


def named(what):
    """A set with three classes, that is warned of; counts the warning."""

    def act(folder):
        with_labels(what)(folder)
        return 1

    return act


def damaged_map(content=None):
    def act(folder):
        write_set(folder)
        path = folder / 'maps' / 'b.png'
        whole = path.read_bytes()
        path.write_bytes(whole[:-20] if content is None else content)
        data = load_set(folder)
        assert labels_of(data, 0) == LABELS.tolist()
        assert set(sum(labels_of(data, 1), [])) == {255}
        return len(data.damaged)

    return act


def last_one(folder):
    """One of a hundred maps has a label beyond, and was not looked at."""
    write_set(folder, [f'{i:03}' for i in range(100)])
    save(folder / 'maps' / '001.png', plus(7))
    data = load_set(folder)
    return len({*labels_of(data, 1)[0]} & {255}) * len(data.damaged)


def region_map(label, kind='PNG') -> Callable:
    def act(folder):
        maps = folder / 'maps'
        maps.mkdir()
        for name in ('1.png', '2.png'):
            image = Image.new('L', (WIDTH, HEIGHT), label)
            image.save(maps / name, format=kind)
        return dataset(folder, content(dict(GOOD)), seg_dir=str(maps))[0]

    return act


READ = LABELS.tolist()
TWO = dict(classes_file=None, metainfo=dict(classes=('ground', 'object')))
MAPS = [
    Case('map in 16 bits', with_labels(LABELS.astype(np.uint16)), READ),
    Case('map with a palette', with_labels(LABELS, palette), READ),
    Case('map LA', with_labels(LABELS, lambda i: i.convert('LA')), READ),
    Case('map RGBA', with_labels(LABELS, lambda i: i.convert('RGBA')), READ),
    Case(
        'map grey in RGB',
        with_labels(LABELS, lambda i: i.convert('RGB')),
        READ,
    ),
    Case('map as TIFF', with_labels(LABELS, kind='TIFF'), READ),
    Case(
        'map of one bit',
        with_labels(LABELS == 1, **TWO),
        (LABELS == 1).astype(int).tolist(),
    ),
    Case(
        'map that begins at 1',
        with_labels(LABELS + 1, reduce_zero_label=True),
        READ,
    ),
]
REFUSED = [
    Case(
        'map in colours',
        with_labels(LABELS, coloured),
        'a.png is no class map: it has shape (2, 3, 3)',
        'Replace each colour by the label',
    ),
    Case(
        'map with holes',
        with_labels(LABELS, see_through),
        'mode RGBA',
        'one value per pixel',
    ),
    Case(
        'map of decimals',
        with_labels(LABELS.astype(np.float32), kind='TIFF'),
        'float32',
        'a whole number',
    ),
    Case(
        'map as JPEG',
        with_labels(LABELS, kind='JPEG'),
        'a JPEG file',
        'must be a PNG or TIFF',
    ),
    Case(
        'map as WebP',
        with_labels(LABELS, kind='WEBP'),
        'a WEBP file',
        'must be a PNG or TIFF',
    ),
    Case(
        'mask of 0 and 255',
        with_labels(np.where(LABELS == 1, 255, 0).astype(np.uint8), **TWO),
        "'object' would never be seen",
        "Write 1 for 'object'",
    ),
    Case(
        'labels beyond the classes',
        with_labels(plus(4)),
        'a.png has labels 4, 5, 6',
        'allowed are 0 to 2 and 255 (ignored)',
    ),
    Case(
        'labels that begin at 1',
        with_labels(np.where(LABELS == 255, 0, LABELS + 1).astype(np.uint8)),
        'labels 3, which are none of the 3 classes',
        'set reduce_zero_label=True',
    ),
    Case(
        'zero label removed, beyond',
        with_labels(plus(9), reduce_zero_label=True),
        'labels 9, 10, 11',
        'allowed are 0 to 3',
    ),
    Case(
        'map of another size',
        with_labels(LABELS[:1]),
        'a.jpg is 2 x 3',
        'a.png says 1 x 3',
    ),
    Case(
        'region map beyond the classes',
        region_map(2),
        'labels 2, which are none of the 2 classes',
        'allowed are 0 to 1',
    ),
    Case(
        'region map as JPEG',
        region_map(0, 'JPEG'),
        'a JPEG file',
        'must be a PNG or TIFF',
    ),
]
NAMED = [
    Case(
        'mask of 0 and 255, three classes',
        named(np.where(LABELS == 1, 255, 0).astype(np.uint8)),
        'labels 0 and 255 alone',
        "Write 1 for 'cat'",
    ),
    Case(
        'map cut short',
        damaged_map(),
        'damaged picture skipped (1 of 2 so far)',
        'b.png is no picture',
    ),
    Case(
        'map that is text',
        damaged_map(b'no picture'),
        'damaged picture skipped (1 of 2 so far)',
        'b.png is no picture',
    ),
    Case(
        'one map of 100 beyond the classes',
        last_one,
        '001.png has labels 7, 8, 9',
        'damaged picture skipped (1 of 100 so far)',
    ),
]

CASES = [
    *(case._replace(outcome='read') for case in MAPS),
    *REFUSED,
    *(case._replace(outcome='skipped') for case in NAMED),
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
