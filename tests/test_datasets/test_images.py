"""Unlabelled pictures: what is listed, substituted, drawn."""

import json

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS
from PIL import Image
from torch.utils.data import DataLoader

from declip_mm.datasets import DeCLIPImageDataset

VIEWS = dict(
    type='DeCLIPViews', image_size=32, crop_size=16, vfm_size=28, max_split=4
)


def paint(path, size=(48, 32), seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    noise = np.random.default_rng(seed).integers(
        0, 256, (height, width, 3), np.uint8
    )
    Image.fromarray(noise).save(path)
    return path


def folder_of(root, count=6):
    for index in range(count):
        paint(root / f'{index:02d}.jpg', seed=index)
    return root


def dataset(root, **options):
    return DeCLIPImageDataset(
        data_root=str(root), views=dict(VIEWS), **options
    )


# listing --------------------------------------------------------------------
def test_folder_is_searched_sorted_with_unicode(tmp_path):
    for name in ['b/ü ö.JPG', 'b/a.png', 'a.webp', '日本/x.jpeg']:
        paint(tmp_path / name)
    (tmp_path / 'notes.txt').write_text('x')
    (tmp_path / '._a.jpg').write_bytes(b'finder')
    (tmp_path / '.cache').mkdir()
    paint(tmp_path / '.cache' / 'thumb.jpg')
    (tmp_path / 'b' / 'loop').symlink_to(tmp_path)
    names = [dataset(tmp_path).get_data_info(i)['file_name'] for i in range(4)]
    assert names == ['a.webp', 'b/a.png', 'b/ü ö.JPG', '日本/x.jpeg']
    assert len(dataset(tmp_path)) == 4


def test_coco_json_without_labels(tmp_path):
    folder_of(tmp_path / 'img')
    images = [dict(file_name=f'{i:02d}.jpg') for i in (4, 1, 4)]
    (tmp_path / 'list.json').write_text(json.dumps(dict(images=images)))
    found = dataset(tmp_path, img_dir='img', ann_file='list.json')
    paths = [found[i]['data_samples'].img_path for i in range(len(found))]
    assert [p[-6:] for p in paths] == ['04.jpg', '01.jpg']


@pytest.mark.parametrize(
    'content, message',
    [
        ('{"annotations": []}', "no list 'images': only annotations"),
        ('{"images": {}}', 'it is a dict'),
        ('[1]', 'holds a list; expected an object'),
        ('{"images": [{"id": 1}]}', r'images\[0\] has no file_name'),
        ('{"images": []}', 'lists no image'),
        ('not json', 'is no json file'),
        (
            '{"images": [{"file_name": "00.jpg"}, {"file_name": "x.jpg"},'
            '{"file_name": "y/y.jpg"}]}',
            '2 of 3 files .* x.jpg, y/y.jpg',
        ),
    ],
)
def test_wrong_json(tmp_path, content, message):
    folder_of(tmp_path, 1)
    (tmp_path / 'a.json').write_text(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        dataset(tmp_path, ann_file='a.json')


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere/deep does not exist'):
        dataset(tmp_path, img_dir='nowhere/deep')
    (tmp_path / 'e').mkdir()
    (tmp_path / 'e' / 'a.txt').write_text('x')
    with pytest.raises(FileNotFoundError, match=r'no picture.*1 other files'):
        dataset(tmp_path, img_dir='e')
    with pytest.raises(NotADirectoryError, match='is a file'):
        dataset(tmp_path, img_dir='e/a.txt')
    with pytest.raises(FileNotFoundError, match='annotation file'):
        dataset(tmp_path, img_dir='e', ann_file='none.json')


# samples --------------------------------------------------------------------
def test_sample_of_the_contract(tmp_path):
    folder_of(tmp_path, 2)
    found = DATASETS.build(
        dict(type='DeCLIPImageDataset', data_root=str(tmp_path), views=VIEWS)
    )
    found.set_epoch(3, seed=7)
    data = found[1]
    sample = data['data_samples']
    assert data['inputs']['image'].shape == (3, 32, 32)
    assert data['inputs']['vfm'].dtype == torch.uint8
    assert sample.boxes.shape == (len(data['inputs']['crops']), 4)
    assert sample.boxes.dtype == sample.valid_hw.dtype == torch.float32
    assert sample.img_id == 1 and sample.ori_shape == (32, 48)
    assert (sample.epoch, sample.seed) == (3, 7)
    assert sample.substituted_for is None
    assert len(dataset(tmp_path, indices=1)) == 1


def test_every_picture_has_draws_of_its_own(tmp_path):
    for index in range(6):
        paint(tmp_path / f'{index}.png')  # all the same
    found = dataset(tmp_path)
    grids = {
        tuple(map(tuple, found[i]['data_samples'].boxes.tolist()))
        for i in range(6)
    }
    assert len(grids) > 1


def test_own_seed_beats_the_run_s(tmp_path):
    folder_of(tmp_path, 1)
    own = dataset(tmp_path, seed=5)
    own.set_epoch(1, seed=9)
    assert (own.seed, own.epoch) == (5, 1)


def all_samples(loader):
    found = {}
    for batch in loader:
        samples = batch['data_samples']
        for crops, sample in zip(batch['inputs']['crops'], samples):
            found[sample.img_id] = crops, sample.boxes, sample.epoch
    return found


def same(a, b):
    return set(a) == set(b) and all(
        torch.equal(x, y) for i in a for x, y in zip(a[i][:2], b[i][:2])
    )


def test_draws_with_persistent_workers(tmp_path):
    folder_of(tmp_path, 5)
    ours, theirs = dataset(tmp_path), dataset(tmp_path)
    options = dict(batch_size=2, collate_fn=pseudo_collate)
    plain = DataLoader(ours, shuffle=True, **options)
    workers = DataLoader(
        theirs, num_workers=2, persistent_workers=True, **options
    )
    epochs = []
    for epoch in range(2):
        ours.set_epoch(epoch)
        if epoch:  # the workers began without
            theirs.set_epoch(epoch)
        epochs.append(all_samples(plain))
        parallel = all_samples(workers)
        assert {e for _, _, e in parallel.values()} == {epoch}
        assert same(epochs[-1], parallel)
    assert not same(*epochs)
    ours.set_epoch(0)
    assert same(epochs[0], all_samples(plain))


# damaged --------------------------------------------------------------------
def test_the_next_readable_picture_stands_in(tmp_path):
    folder_of(tmp_path, 4)
    for name in ('01.jpg', '02.jpg'):
        (tmp_path / name).write_bytes(b'')
    found = dataset(tmp_path)
    clean = found[3]
    data = found[1]
    sample = data['data_samples']
    assert sample.img_id == 3 and sample.img_path.endswith('03.jpg')
    assert sample.substituted_for.endswith('01.jpg')
    assert torch.equal(data['inputs']['crops'], clean['inputs']['crops'])
    assert [p[-6:] for p in found.damaged] == ['01.jpg', '02.jpg']
    assert found[-2]['data_samples'].img_id == 3


def test_each_damaged_picture_is_logged_once(tmp_path, monkeypatch):
    folder_of(tmp_path, 3)
    (tmp_path / '01.jpg').write_bytes(b'')
    lines = []
    monkeypatch.setattr(
        'declip_mm.datasets.readings.print_log',
        lambda text, **_: lines.append(text),
    )
    found = dataset(tmp_path)
    for _ in range(3):
        found[1]
    assert len(lines) == 1
    assert '01.jpg' in lines[0] and '(1 of 3 so far)' in lines[0]


def test_the_main_process_learns_of_damage(tmp_path):
    folder_of(tmp_path, 4)
    (tmp_path / '02.jpg').write_bytes(b'')
    found = dataset(tmp_path)
    loader = DataLoader(found, num_workers=2, collate_fn=pseudo_collate)
    shown = [b['data_samples'][0].img_id for b in loader]
    assert shown == [0, 1, 3, 3]
    assert [p[-6:] for p in found.damaged] == ['02.jpg']


def test_nothing_readable(tmp_path):
    for name in ('a.jpg', 'b.jpg'):
        (tmp_path / name).write_bytes(b'')
    with pytest.raises(RuntimeError, match='none of the 2 pictures.*a.jpg'):
        dataset(tmp_path)[0]


@pytest.mark.parametrize('size', [(1, 1), (1, 400), (2, 3)])
def test_tiny_pictures(tmp_path, size):
    paint(tmp_path / 'a.png', size)
    found = dataset(tmp_path)
    for epoch in range(6):
        found.set_epoch(epoch)
        data = found[0]
        boxes = data['data_samples'].boxes
        assert len(boxes) and (boxes[:, 2:] > boxes[:, :2]).all()
        assert data['inputs']['image'].shape == (3, 32, 32)
