"""Pictures that do not fit their labels, or cannot be read, in all readers."""

import json

import pytest
from bad_input import Case, check
from bad_regions import dataset
from coco_world import HEIGHT, WIDTH, annotation, content
from mmdet.registry import DATASETS
from PIL import Image
from seg_world import labels_of, load_set, write_set

import declip_mm.detection  # noqa: F401  (registers the data sets)
from declip_mm.datasets import DeCLIPImageDataset


def detection(folder, change=None, loader=None, size=(HEIGHT, WIDTH), **more):
    """A detection set of 1.png and 2.png, with an object in each."""
    for name in ('1.png', '2.png'):
        Image.new('RGB', (WIDTH, HEIGHT), 'red').save(folder / name)
    if change is not None:
        change(folder)
    value = content(
        annotation(1, area=400, category_id=3),
        annotation(2, area=400, category_id=3, image_id=2),
    )
    for image in value['images']:
        image.update(height=size[0], width=size[1])
    path = folder / 'boxes.json'
    path.write_text(json.dumps(value))
    steps = [
        loader or dict(type='LoadLabelledImage'),
        dict(type='mmdet.LoadAnnotations', with_bbox=True),
        dict(type='mmdet.Resize', scale=(64, 64), keep_ratio=True),
        dict(type='mmdet.PackDetInputs', meta_keys=('img_path', 'ori_shape')),
    ]
    cfg = dict(
        type='mmdet.OpenVocabDetDataset',
        ann_file=str(path),
        data_prefix=dict(img=str(folder)),
        pipeline=steps,
        serialize_data=False,
    )
    return DATASETS.build({**cfg, **more})


def cut_second(folder):
    path = folder / '2.png'
    path.write_bytes(path.read_bytes()[:-30])


def trained(change, **options):
    """Draws both pictures; the second is of no use."""

    def act(folder):
        data = detection(folder, change, **options)
        shown = [data[i]['data_samples'].img_path for i in (1, 0, 1)]
        assert all(path.endswith('1.png') for path in shown)
        return len(data.damaged)

    return act


def measured(folder):
    """In a test a blank picture of the labels' size stands in."""
    data = detection(folder, cut_second, test_mode=True)
    found = data[1]
    sample = found['data_samples']
    assert sample.ori_shape == (HEIGHT, WIDTH) and not found['inputs'].any()
    assert sample.img_path.endswith('2.png')
    return len(data.damaged)


def no_boxes_left(folder):
    def spoil(folder):
        for name in ('1.png', '2.png'):
            (folder / name).write_bytes(b'no picture')

    return detection(folder, spoil)[0]


def regions(folder):
    """A damaged picture has no regions that would count."""
    data = dataset(folder, content(annotation(1), annotation(2, image_id=2)))
    cut_second(folder)
    assert len(data[0]['data_samples'].region_labels) == 1
    assert len(data[1]['data_samples'].region_labels) == 0
    return len(data.damaged)


def segments(folder):
    """A damaged picture has no pixel that counts."""
    path = write_set(folder) / 'images' / 'b.jpg'
    path.write_bytes(path.read_bytes()[:-30])
    data = load_set(folder)
    assert set(sum(labels_of(data, 1), [])) == {255}
    assert not data[1]['inputs'].any()
    return len(data.damaged)


def no_map_left(folder):
    write_set(folder)
    for name in ('a.jpg', 'b.jpg'):
        (folder / 'images' / name).write_bytes(b'no picture')
    data = load_set(folder)
    return [data[0], data[1]]


def turned_by_mmcv(folder):
    def turn(folder):
        exif = Image.Exif()
        exif[0x0112] = 6
        image = Image.new('RGB', (WIDTH, HEIGHT))
        for name in ('1.png', '2.png'):
            image.save(folder / name, exif=exif)

    return detection(folder, turn, dict(type='LoadImageFromFile'))[0]


def one_of_many(folder):
    """99 of 100 fit; the one that was not looked at is left out."""
    for number in range(100):
        size = (8, 8) if number == 1 else (WIDTH, HEIGHT)
        Image.new('RGB', size).save(folder / f'{number:02}.png')
    images = [
        dict(id=n, file_name=f'{n:02}.png', height=HEIGHT, width=WIDTH)
        for n in range(100)
    ]
    boxes = [dict(image_id=n, bbox=[0, 0, 20, 20]) for n in range(100)]
    path = folder / 'boxes.json'
    path.write_text(json.dumps(dict(images=images, annotations=boxes)))
    data = DeCLIPImageDataset(
        img_dir=str(folder),
        ann_file=str(path),
        proposals=True,
        views=dict(type='DeCLIPViews', image_size=32, crop_size=16),
        serialize_data=False,
    )
    assert data[1]['data_samples'].img_path.endswith('02.png')
    return len(data.damaged)


CASES = [
    Case(
        'detection, training',
        trained(cut_second),
        'damaged picture skipped (1 of 2 so far)',
        '2.png is no picture',
        'skipped',
    ),
    Case(
        'detection, test',
        measured,
        'damaged picture skipped (1 of 2 so far)',
        '2.png is no picture',
        'skipped',
    ),
    Case(
        'detection, all damaged',
        no_boxes_left,
        'none of the 2 pictures',
        'The log has',
    ),
    Case(
        'detection, sizes of the json',
        lambda f: detection(f, size=(HEIGHT, HEIGHT)),
        f'1.png is {HEIGHT} x {WIDTH}',
        f'boxes.json says {HEIGHT} x {HEIGHT}',
    ),
    Case(
        'detection, turned by mmcv',
        turned_by_mmcv,
        f'1.png was loaded as {WIDTH} x {HEIGHT}',
        "Load with dict(type='LoadLabelledImage')",
    ),
    Case(
        'regions, damaged',
        regions,
        'damaged picture skipped (1 of 2 so far)',
        '2.png is no picture',
        'skipped',
    ),
    Case(
        'segmentation, damaged',
        segments,
        'damaged picture skipped (1 of 2 so far)',
        'b.jpg is no picture',
        'skipped',
    ),
    Case(
        'segmentation, all damaged',
        no_map_left,
        'none of the 2 pictures',
        'The log has',
    ),
    Case(
        'one of 100 of another size',
        one_of_many,
        '01.png is 8 x 8',
        'skipped (1 of 100 so far)',
        'skipped',
    ),
]


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_labelled(case, tmp_path):
    check(case, tmp_path)
