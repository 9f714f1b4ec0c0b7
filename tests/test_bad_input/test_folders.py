"""Folders, lists of pictures and proposals that cannot be used."""

import json
import os

import pytest
from bad_input import Case, check
from PIL import Image, features

from declip_mm.datasets import DeCLIPImageDataset, DeCLIPViews
from declip_mm.datasets.listing import list_folder

VIEWS = dict(type='DeCLIPViews', image_size=32, crop_size=16)


def save(path, size=(20, 20)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', size, 'red').save(path)


def data(folder, **options):
    # Serialising collects garbage, of all the process has.
    return DeCLIPImageDataset(
        img_dir=str(folder), views=VIEWS, serialize_data=False, **options
    )


def as_file(folder):
    save(folder / 'a.png')
    data(folder / 'a.png')


def only_text(folder):
    for index in range(3):
        (folder / f'{index}.txt').write_text('x')
    data(folder)


def only_hidden(folder):
    save(folder / '.hidden.png')
    save(folder / '.git' / 'a.png')
    data(folder)


def looped(folder):
    save(folder / 'in' / 'a.png')
    os.symlink(folder, folder / 'in' / 'again')
    return list_folder(folder)


def all_damaged(folder):
    for index in range(3):
        (folder / f'{index}.jpg').write_bytes(b'no picture')
    data(folder)[0]


def listed(content):
    """A json list of pictures, of which ``a.png`` is there."""

    def act(folder):
        save(folder / 'a.png')
        text = content if isinstance(content, str) else json.dumps(content)
        path = folder / 'list.json'
        path.write_text(text, 'utf-8', 'surrogateescape')
        return len(data(folder, ann_file=str(folder / 'list.json')))

    return act


def listed_twice(folder):
    return listed(dict(images=[dict(file_name='a.png')] * 2))(folder)


def image(**changes):
    entry = dict(id=1, file_name='a.png', height=20, width=20)
    entry.update(changes)
    return {k: v for k, v in entry.items() if v is not None}


def proposals(images=None, boxes=((0, 0, 9, 9),)):
    annotations = [dict(image_id=1, bbox=list(b)) for b in boxes]
    content = dict(images=images or [image()], annotations=annotations)

    def act(folder):
        save(folder / 'a.png')
        path = folder / 'boxes.json'
        path.write_text(json.dumps(content))
        found = data(folder, ann_file=str(path), proposals=True)
        return 2 - len(found.get_data_info(0)['boxes'])

    return act


def other_size(folder):
    """Boxes of a picture that has another size than the json says."""
    content = dict(
        images=[image(height=99)],
        annotations=[dict(image_id=1, bbox=[0, 0, 9, 9])],
    )
    save(folder / 'a.png')
    path = folder / 'boxes.json'
    path.write_text(json.dumps(content))
    data(folder, ann_file=str(path), proposals=True)[0]


def views(**options):
    return lambda folder: DeCLIPViews(**options)


GOOD = (0, 0, 9, 9)


def left_out(name, box, reason):
    return Case(
        f'proposal {name}',
        proposals(boxes=(GOOD, box)),
        'annotation 2',
        f'1 left out, {reason}',
        'skipped',
    )


def foreign(folder):
    """Kinds that Pillow does not decode, beside one that it does."""
    save(folder / 'a.png')
    for name in ('x.HEIC', 'y.dng'):
        (folder / name).write_bytes(b'raw')
    return 2 * len(data(folder))


def kinds(folder):
    """Suffixes of all kinds, in either case."""
    names = ['a.JPG', 'b.tga', 'c.PnG']
    names += ['d.avif'] if features.check('avif') else []
    names += ['e.jp2'] if features.check('jpg_2000') else []
    for name in names:
        save(folder / name)
    found = data(folder)
    shown = {found[i]['data_samples'].img_path for i in range(len(found))}
    return len(shown) == len(names) and not found.damaged


CASES = [
    Case('suffixes of all kinds', kinds, True, outcome='read'),
    Case('HEIC and raw', foreign, '2 files', 'x.HEIC', 'skipped'),
    Case('no folder', lambda f: data(f / 'no'), '/no', 'Check data_root'),
    Case('a file', as_file, 'a.png is a file', 'name the folder'),
    Case('empty folder', data, '0 other files', 'Known suffixes'),
    Case('texts alone', only_text, '3 other files', '.png'),
    Case('hidden alone', only_hidden, 'no picture', 'Known suffixes'),
    Case('link loop', looped, ['in/a.png'], outcome='read'),
    Case('all damaged', all_damaged, 'none of the 3', 'The log has'),
    Case('list: no json', listed('{'), 'list.json', 'json'),
    Case('list: not UTF-8', listed('"\udcff"'), 'list.json', 'UTF-8'),
    Case('list: a list', listed([1]), 'holds a list', 'expected an object'),
    Case('list: no images', listed(dict(a=1)), "'images'", 'only a'),
    Case('list: images a dict', listed(dict(images={})), 'dict', 'no list'),
    Case('list: empty', listed(dict(images=[])), 'list.json', 'List'),
    Case('list: no name', listed(dict(images=[{}])), 'images[0]', 'file_name'),
    Case(
        'list: name a number',
        listed(dict(images=[dict(file_name=3)])),
        "'file_name': 3",
        'file_name',
    ),
    Case(
        'list: file missing',
        listed(dict(images=[dict(file_name='b.png')])),
        'b.png',
        'missing below',
    ),
    Case('list: twice', listed_twice, '1 images twice', 'once', 'skipped'),
    Case(
        'list: no such file',
        lambda f: data(f, ann_file=str(f / 'no.json')),
        'no.json',
        'Check data_root',
    ),
    Case(
        'proposals without a file',
        lambda f: data(f, proposals=True),
        'proposals=True',
        'set ann_file',
    ),
    left_out('without area', (5, 5, 0, 9), 'without area'),
    left_out('negative', (5, 5, -3, 9), 'without area'),
    left_out('outside', (50, 50, 9, 9), 'outside the picture'),
    left_out('tiny', (5, 5, 1, 1), 'area not in 64'),
    Case(
        'proposals: none left',
        proposals(boxes=((5, 5, 1, 1),)),
        'boxes.json',
        'area of 64 to 1.04858e+06 px',
    ),
    Case(
        'proposal: unknown image',
        proposals([image(id=2)]),
        'image_id=1',
        'none of its images',
    ),
    Case(
        'proposal: three numbers',
        proposals(boxes=((1, 2, 3),)),
        '[1, 2, 3]',
        'expected four numbers',
    ),
    Case(
        'proposal: NaN',
        proposals(boxes=((0, 0, float('nan'), 3),)),
        'nan',
        'expected four numbers',
    ),
    Case(
        'proposal: text',
        proposals(boxes=(('0', 0, 3, 3),)),
        "'0'",
        'expected four numbers',
    ),
    Case('size of the json', other_size, '20 x 20', 'says 99 x 20'),
    Case('views: 0 px', views(image_size=0), 'got 0', 'of 1 or more'),
    Case('views: 5.5 px', views(crop_size=5.5), 'got 5.5', 'whole number'),
    Case('views: text', views(vfm_size='big'), "'big'", 'whole number'),
    Case('views: no split', views(max_split=0), 'got 0', 'max_split'),
    Case('views: no boxes', views(max_boxes=-1), 'got -1', 'max_boxes'),
    Case('views: small crops', views(crop_scale=0.5), '0.5', '1 or more'),
]


@pytest.mark.parametrize('case', CASES, ids=[c.name for c in CASES])
def test_folder(case, tmp_path):
    check(case, tmp_path)
