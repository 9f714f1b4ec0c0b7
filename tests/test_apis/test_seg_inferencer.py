"""DeCLIPSegInferencer and tools/demo_seg.py."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from tiny_cat_seg import segmentor, segmentor_cfg
from tool_modules import load_tool

from declip_mm.apis import DeCLIPSegInferencer
from declip_mm.apis.images import find_images, in_batches, read_images
from declip_mm.datasets.class_maps import read_labels

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / 'configs/miniature/dense_seg.py')


@pytest.fixture(scope='module')
def segment():
    return DeCLIPSegInferencer(CONFIG, names='cat,dog', show_progress=False)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp('pictures')
    draw = np.random.default_rng(0)
    for name, size in (('b.png', (40, 60)), ('a.jpg', (50, 30))):
        image = draw.integers(0, 255, (*size, 3), np.uint8)
        Image.fromarray(image).save(root / name)
    return root


def labels_of(found):
    return [own['labels'] for own in found['predictions']]


def test_folder_glob_file_and_array_agree(segment, folder):
    paths = [str(folder / name) for name in ('a.jpg', 'b.png')]
    wanted = labels_of(segment(str(folder)))
    assert [w.shape for w in wanted] == [(50, 30), (40, 60)]
    arrays = [np.asarray(Image.open(p).convert('RGB')) for p in paths]
    for inputs in (
        paths,
        str(folder / '*.*'),
        [array[..., ::-1] for array in arrays],  # BGR, as mmcv loads
    ):
        for ours, theirs in zip(labels_of(segment(inputs)), wanted):
            assert (ours == theirs).all()


def test_the_same_every_time_and_in_any_batch(segment, folder):
    first = segment(str(folder), return_vis=True)
    again = segment(str(folder), return_vis=True, batch_size=2)
    for one, other in zip(labels_of(first), labels_of(again)):
        assert (one == other).mean() > 0.999
    third = segment(str(folder), return_vis=True)
    for one, other in zip(first['visualization'], third['visualization']):
        assert (one == other).all()


def test_files_are_written(segment, folder, tmp_path):
    found = segment(
        str(folder), 'cat,dog,tree', out_dir=str(tmp_path), threshold=0.34
    )
    content = json.loads((tmp_path / 'results.json').read_text())
    assert content['classes'] == ['cat', 'dog', 'tree']
    assert content['no_class'] == 255
    for own, kept in zip(found['predictions'], content['pictures']):
        labels = read_labels(str(tmp_path / 'labels' / f'{own["name"]}.png'))
        assert (labels == own['labels']).all()
        shares = {c['label']: c['share'] for c in kept['classes']}
        for label, share in shares.items():
            assert (labels == label).mean() == pytest.approx(share, abs=1e-5)
        assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
        picture = tmp_path / 'overlays' / f'{own["name"]}.png'
        assert Image.open(picture).size[0] > 600
    segment.model.threshold = 0.0


def test_names_follow_into_all_that_is_returned(segment, folder):
    one = segment(str(folder / 'a.jpg'), names=['cat'])
    names = {c['name'] for c in one['predictions'][0]['classes']}
    assert names <= {'background', 'cat'}
    assert segment.classes == ['background', 'cat']
    two = segment(str(folder / 'a.jpg'), names='apple,pear', background=None)
    names = {c['name'] for c in two['predictions'][0]['classes']}
    assert names <= {'apple', 'pear'}


def test_a_registered_data_set_brings_its_colours():
    found = DeCLIPSegInferencer(
        CONFIG, names='OVVOC20Dataset', show_progress=False
    )
    assert found.model.dataset_meta['palette'][0] == [128, 0, 0]
    assert found.classes[0] == 'aeroplane'


def test_300_names_make_maps_of_16_bits(segment, folder, tmp_path):
    names = [f'cat {i}' for i in range(300)]
    segment(str(folder / 'a.jpg'), names, threshold=1.0, out_dir=str(tmp_path))
    assert (read_labels(str(tmp_path / 'labels' / 'a.png')) == 65535).all()
    assert np.asarray(Image.open(tmp_path / 'labels/a.png')).dtype == np.uint16
    segment.model.threshold = 0.0


def test_pictures_of_one_name_keep_files_of_their_own(tmp_path):
    for name in ('x/a.jpg', 'y/a.png', 'y/a_2.png'):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.new('RGB', (4, 4)).save(path)
    found = [name for name, _ in find_images(str(tmp_path))]
    assert len(set(found)) == 3 and 'a' in found


def test_what_is_no_picture_is_named(segment, tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere'):
        find_images(str(tmp_path / 'nowhere'))
    with pytest.raises(ValueError, match='uint8 BGR'):
        list(read_images([('a', np.zeros((4, 4)))]))
    (tmp_path / 'broken.jpg').write_text('no picture')
    with pytest.raises(ValueError, match=r'broken\.jpg'):
        segment(str(tmp_path / 'broken.jpg'))
    with pytest.raises(ValueError, match='batch_size'):
        list(in_batches(iter(()), 0))


def test_damaged_pictures_are_left_out_and_listed(segment, folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    bad = tmp_path / 'aa.jpg'
    bad.write_bytes((tmp_path / 'a.jpg').read_bytes()[:300])
    found = segment(str(tmp_path), out_dir=str(tmp_path / 'out'), batch_size=2)
    assert [p['name'] for p in found['predictions']] == ['a', 'b']
    (failed,) = found['failed']
    assert failed['path'] == str(bad) and 'aa.jpg' in failed['reason']
    content = json.loads((tmp_path / 'out' / 'results.json').read_text())
    assert content['failed'] == found['failed'] and content['left'] == []
    assert len(content['pictures']) == 2


def test_ctrl_c_keeps_what_was_done(segment, folder, tmp_path, monkeypatch):
    whole, calls = type(segment)._segment, []

    def stopped(self, pictures):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(self, pictures)

    monkeypatch.setattr(type(segment), '_segment', stopped)
    with pytest.raises(KeyboardInterrupt) as stop:
        segment(str(folder), out_dir=str(tmp_path))
    content = json.loads((tmp_path / 'results.json').read_text())
    assert [p['name'] for p in content['pictures']] == ['a']
    assert content['left'] == [str(folder / 'b.png')]
    assert 'not done: b.png' in stop.value.kept
    assert read_labels(str(tmp_path / 'labels' / 'a.png')).shape == (50, 30)


@pytest.mark.parametrize('size', [(1, 1), (2, 3000), (10000, 10), (10, 10000)])
def test_extreme_shapes(segment, tmp_path, size):
    path = tmp_path / 'x.png'
    Image.new('RGB', size, 'red').save(path)
    found = segment(
        str(path), names='cat,dog', out_dir=str(tmp_path), return_vis=True
    )
    labels = found['predictions'][0]['labels']
    assert labels.shape == size[::-1] and labels.max() < 2
    assert max(found['visualization'][0].shape[:1]) <= 2048
    assert (read_labels(str(tmp_path / 'labels/x.png')) == labels).all()


def test_a_bound_of_the_side(segment, tmp_path):
    path = str(tmp_path / 'x.png')
    Image.new('RGB', (300, 100), 'red').save(path)
    found = segment(path, max_side=60)
    assert found['predictions'][0]['labels'].shape == (20, 60)
    with pytest.raises(ValueError, match='16 pixels or more'):
        segment(path, max_side=0)


def test_no_names_is_said_early(folder):
    bare = DeCLIPSegInferencer(CONFIG, show_progress=False)
    with pytest.raises(ValueError, match='no class names'):
        bare(str(folder))


def test_a_trained_model_needs_its_checkpoint():
    data = dict(dataset=dict(pipeline=[]))
    cfg = Config(dict(model=dict(type='OVCATSegmentor'), test_dataloader=data))
    with pytest.raises(ValueError, match='trained as a whole'):
        DeCLIPSegInferencer(cfg)


def test_cat_seg_takes_sizes_together_and_300_names(folder, tmp_path):
    """mmseg's preprocessor stacks a batch; 255 is a class among 300."""
    torch.save(segmentor(names=None).state_dict(), tmp_path / 'w.pth')
    pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
    cfg = Config(
        dict(
            model=segmentor_cfg(templates='{}'),
            test_dataloader=dict(dataset=dict(pipeline=pipeline)),
        )
    )
    cat_seg = DeCLIPSegInferencer(
        cfg, str(tmp_path / 'w.pth'), 'cat,dog', show_progress=False
    )
    alone, both = (cat_seg(str(folder), batch_size=n) for n in (1, 2))
    assert [found.shape for found in labels_of(both)] == [(50, 30), (40, 60)]
    for one, other in zip(labels_of(alone), labels_of(both)):
        assert (one == other).all()
    names = [f'cat {i}' for i in range(300)]
    found = cat_seg(str(folder / 'a.jpg'), names, threshold=1.0)
    assert (labels_of(found)[0] == 65535).all()
    with pytest.raises(ValueError, match='threshold is 0 to 1, got 50'):
        cat_seg(str(folder / 'a.jpg'), threshold=50)


def test_apis_import_without_mmseg():
    """Pre-finetuning works where mmseg was never installed."""
    code = (
        'import sys; sys.modules["mmseg"] = sys.modules["mmcv"] = None\n'
        'import declip_mm.apis\n'
        'assert "declip_mm.segmentation" not in sys.modules\n'
    )
    subprocess.run([sys.executable, '-c', code], check=True, cwd=ROOT)


def test_demo_writes_and_tells(folder, tmp_path, capsys, monkeypatch):
    demo = load_tool('demo_seg.py')
    arguments = [
        *(CONFIG, 'none', str(folder), '--names', 'cat,dog'),
        *('--out', str(tmp_path / 'out')),
    ]
    assert demo.segment(demo.parse_args(arguments)) == 0
    out = capsys.readouterr().out
    assert 'a.jpg: ' in out and ' %' in out
    assert len(list((tmp_path / 'out').rglob('*.png'))) == 4
    arguments[2] = str(tmp_path / 'nowhere')
    monkeypatch.setattr(sys, 'argv', ['demo_seg.py', *arguments])
    with pytest.raises(SystemExit, match=r'demo_seg\.py: .*nowhere'):
        demo.main()
