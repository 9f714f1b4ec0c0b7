"""The miniature world: pack, scenes, files on disk."""

import json
import shutil
import threading

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle

from declip_mm.miniature.world import (
    ASSETS,
    RECIPES,
    SpritePack,
    build_world,
    load_pack,
    make_scene,
)
from declip_mm.miniature.world import build as world_module
from declip_mm.miniature.world.backgrounds import make_background
from declip_mm.miniature.world.pack import jitter
from declip_mm.miniature.world.scenes import Canvas


@pytest.fixture(scope='module')
def pack():
    return load_pack()


@pytest.fixture(scope='module')
def world(tmp_path_factory):
    """A small world: 4 training scenes, 3 of each other split."""
    return build_world(tmp_path_factory.mktemp('world'), 4, 3, processes=1)


def read(world, split):
    return json.loads((world / split / 'annotations.json').read_text())


def test_pack_has_enough_of_every_class(pack):
    assert 41 <= len(pack.classes) - len(pack.unseen) <= 50
    assert pack.classes[-len(pack.unseen) :] == pack.unseen
    known, heldout = pack.by_class('known'), pack.by_class('heldout')
    for label, name in enumerate(pack.classes):
        if name in pack.unseen:
            assert label not in known and label not in heldout
        else:
            assert len(known[label]) >= 4 and len(heldout[label]) >= 1
    assert (ASSETS / 'sprites.zip').stat().st_size <= 4 * 2**20


def test_no_drawing_is_in_two_splits(pack):
    sources = [sprite.source for sprite in pack.sprites]
    assert len(set(sources)) == len(sources)
    pixels = [sprite.image.tobytes() for sprite in pack.sprites]
    assert len(set(pixels)) == len(pixels)


def test_changed_picture_is_refused(tmp_path):
    for name in ('sprites.zip', 'world.json'):
        shutil.copy(ASSETS / name, tmp_path)
    path = tmp_path / 'sprites.zip'
    data = bytearray(path.read_bytes())
    # the archive's own checksums would object first
    index = json.loads((tmp_path / 'world.json').read_text())
    index['sprites'][0]['sha256'] = '0' * 64
    (tmp_path / 'world.json').write_text(json.dumps(index))
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match='build_pack.py'):
        SpritePack(tmp_path)


@pytest.mark.parametrize('split', ['train', 'val_known', 'val_unseen'])
def test_scene_is_a_function_of_its_number(pack, split):
    image, objects = make_scene(pack, split, 5, seed=0)
    again, _ = make_scene(pack, split, 5, seed=0)
    other, _ = make_scene(pack, split, 6, seed=0)
    reseeded, _ = make_scene(pack, split, 5, seed=1)
    np.testing.assert_array_equal(image, again)
    assert (image != other).any() and (image != reseeded).any()
    low, high = RECIPES[split].objects
    assert 1 <= len(objects) <= high and low >= 2


def test_split_decides_the_labels(pack):
    unseen = {pack.classes.index(name) for name in pack.unseen}
    seen = set()
    for index in range(8):
        for split in ('train', 'val_known', 'val_heldout'):
            _, objects = make_scene(pack, split, index, 0)
            assert not unseen & {item.label for item in objects}
        _, objects = make_scene(pack, 'val_unseen', index, 0)
        seen |= {item.label for item in objects}
        assert objects[0].label in unseen
    assert seen - unseen, 'known classes belong into val_unseen too'


def test_masks_do_not_overlap_and_keep_their_share(pack):
    for index in range(6):
        _, objects = make_scene(pack, 'train', index, 0)
        total = np.sum([item.mask for item in objects], 0)
        assert total.max() == 1
        assert all(item.mask.sum() > 100 for item in objects)


def test_cover_limit_is_kept():
    """A sprite as large as the canvas cannot hide an earlier one."""
    rng = np.random.default_rng(0)
    canvas = Canvas(np.zeros((20, 20, 3), np.uint8), cover=0.45)
    block = Image.new('RGBA', (20, 20), (255, 0, 0, 255))
    assert canvas.place(block, 0, rng)
    assert not canvas.place(block, 1, rng)
    small = Image.new('RGBA', (10, 10), (0, 255, 0, 255))
    assert canvas.place(small, 1, rng)
    _, (first, second) = canvas.finish()
    assert first.mask.sum() == 300 and second.mask.sum() == 100
    x0, y0, x1, y1 = second.box
    assert (x1 - x0, y1 - y0) == (10, 10) and second.mask[y0:y1, x0:x1].all()


def test_jitter_has_the_wanted_size(pack):
    rng = np.random.default_rng(3)
    for sprite in pack.sprites[::60]:
        assert max(jitter(sprite.image, 77.0, rng).size) == 77


def test_unknown_names_list_the_choices(pack):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match='val_known'):
        make_scene(pack, 'validation', 0, 0)
    with pytest.raises(ValueError, match='train'):
        make_background(rng, 32, 'test', [])
    with pytest.raises(ValueError, match='fetch_photos'):
        make_scene(pack, 'val_photo', 0, 0)


def test_files_agree_with_each_other(world, pack):
    for split, count in (('train', 4), ('val_known', 3), ('val_unseen', 3)):
        coco = read(world, split)
        assert [c['name'] for c in coco['categories']] == list(pack.classes)
        assert [c['id'] for c in coco['categories']] == [
            *range(1, len(pack.classes) + 1)
        ]
        assert coco['info']['unseen'] == list(pack.unseen)
        assert len(coco['images']) == count
        for record in coco['images']:
            check_scene(world / split, record, coco['annotations'])


def check_scene(folder, record, annotations):
    stem = record['file_name'][:-4]
    image = Image.open(folder / 'images' / record['file_name'])
    assert image.size == (record['width'], record['height']) == (224, 224)
    semantic = np.asarray(Image.open(folder / 'semantic' / f'{stem}.png'))
    expected = np.full_like(semantic, 255)
    notes = [a for a in annotations if a['image_id'] == record['id']]
    assert notes
    for note in notes:
        mask = rle.decode(note['segmentation']).astype(bool)
        expected[mask] = note['category_id'] - 1
        assert note['area'] == mask.sum()
        ys, xs = np.where(mask)
        box = [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
        assert note['bbox'] == box
    np.testing.assert_array_equal(semantic, expected)


def test_processes_do_not_change_the_result(world, tmp_path):
    other = build_world(tmp_path, 4, 3, processes=2)
    for path in sorted((world / 'train').rglob('*.*')):
        twin = other / path.relative_to(world)
        assert path.read_bytes() == twin.read_bytes(), path


def test_finished_split_is_kept_and_outdated_one_rebuilt(world, capsys):
    stamp = (world / 'train' / 'annotations.json').stat().st_mtime_ns
    build_world(world, 4, 3, processes=1)
    assert capsys.readouterr().out == ''
    after = (world / 'train' / 'annotations.json').stat().st_mtime_ns
    assert after == stamp
    build_world(world, 4, 2, processes=1)
    assert 'built tune_known, val_known' in capsys.readouterr().out
    assert len(read(world, 'val_known')['images']) == 2
    assert not list(world.glob('.*.*')), 'temporary folders are removed'


def test_two_that_build_at_once_build_one_world(tmp_path, monkeypatch):
    looked, built = threading.Semaphore(0), []
    stale = world_module._stale

    def look(root, marks):
        found = stale(root, marks)
        looked.release()
        return found

    def build(root, split, mark, photos, processes):
        if not built:  # until the other one, too, has seen that none is there
            for _ in range(3):
                assert looked.acquire(timeout=60)
        built.append(split)
        (root / split).mkdir()
        (root / split / 'fingerprint.json').write_text(json.dumps(mark))

    monkeypatch.setattr(world_module, '_stale', look)
    monkeypatch.setattr(world_module, '_build_split', build)
    threads = [
        threading.Thread(target=build_world, args=(tmp_path, 4, 3))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive()
    assert sorted(built) == sorted(s for s in RECIPES if s != 'val_photo')


def test_a_cache_that_cannot_be_written_names_the_variable(
    tmp_path, monkeypatch
):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('DECLIP_MM_CACHE', str(tmp_path / 'file'))
    with pytest.raises(OSError, match='DECLIP_MM_CACHE=FOLDER'):
        build_world()
    monkeypatch.delenv('DECLIP_MM_CACHE')

    def homeless():
        raise RuntimeError('Could not determine home directory.')

    monkeypatch.setattr(world_module.Path, 'home', homeless)
    with pytest.raises(OSError, match='no home folder'):
        build_world()
