"""Caches that hold less, and those that several processes fill."""

import json
import os
import pickle
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from cache_world import cached_config, losses, places, stored
from mmengine.registry import DATASETS, MODELS
from PIL import Image

from declip_mm.apis.caching import (
    CacheFiller,
    fill_caches,
    join_group,
    use_caches,
)


@pytest.fixture
def config(tmp_path):
    return cached_config(tmp_path)


# smaller caches -------------------------------------------------------------
def drawn_in(config, epoch, seed=5):
    """A batch as training has it in an epoch, without crops."""
    config.train_dataloader.dataset.views.crop_size = None
    dataset = DATASETS.build(config.train_dataloader.dataset)
    dataset.set_epoch(epoch, seed)
    return [dataset[i]['data_samples'] for i in range(3)]


def test_what_a_seed_draws_is_stored_alone(config, tmp_path, capsys):
    config.train_dataloader.dataset.views.update(max_split=4, max_boxes=3)
    everything, some = str(tmp_path / 'all.npy'), str(tmp_path / 'some.npy')
    fill_caches(config, crops=everything)
    fill_caches(config, crops=some, drawn=True)
    rows = np.load(some)
    assert rows.shape[1:] == (12,) and 6 <= len(rows) <= 3 * 2 * 3
    assert np.load(tmp_path / 'some.filled.npy').all()
    size = f'crops: {rows.nbytes / 2**30:.3f} GiB'
    assert size in capsys.readouterr().out
    fill_caches(config, crops=some, drawn=True)  # nothing is left
    assert 'pictures' not in capsys.readouterr().err
    whole = MODELS.build(dict(type='CropCache', path=everything))
    part = MODELS.build(dict(type='CropCache', path=some))
    for epoch in (0, 1):
        samples = drawn_in(config, epoch)
        torch.testing.assert_close(
            part(None, samples), whole(None, samples), rtol=1e-3, atol=1e-3
        )
    with pytest.raises(KeyError, match='only what is drawn with seed 5, ep'):
        part(None, drawn_in(config, 7))


def test_another_seed_needs_another_cache(config, tmp_path):
    path = str(tmp_path / 'c.npy')
    fill_caches(config, crops=path, drawn=True)
    config.randomness.seed = 6
    with pytest.raises(ValueError, match="drawn: cache has {'seed': 5"):
        fill_caches(config, crops=path, drawn=True)
    with pytest.raises(ValueError, match='holds only what is drawn'):
        fill_caches(config, crops=path)
    config.randomness.seed = None
    with pytest.raises(ValueError, match='fixes no seed'):
        fill_caches(config, crops=str(tmp_path / 'd.npy'), drawn=True)


def test_drawn_cells_within_a_bound(config, tmp_path):
    config.train_dataloader.dataset.views.update(max_split=3, max_boxes=9)
    path = str(tmp_path / 'c.npy')
    fill_caches(config, crops=path, drawn=True)
    count = len(np.load(path))
    (tmp_path / 'c.npy').unlink()
    bound = (count - 1) * 24 / 2**30  # the last picture does not fit
    fill_caches(config, crops=path, drawn=True, max_gib=bound)
    cache = MODELS.build(dict(type='CropCache', path=path))
    samples = drawn_in(config, 1)
    assert len(cache(None, samples[:2])) >= 2
    with pytest.raises(KeyError, match=r'images \[2\]'):
        cache(None, samples)


def test_a_picture_too_small_for_the_plan_is_named(config, tmp_path):
    config.train_dataloader.dataset.views.update(max_split=6, max_boxes=4)
    config.train_cfg.max_epochs = 20
    Image.new('RGB', (70, 2)).save(tmp_path / 'img' / '1.png')
    with pytest.raises(ValueError, match=r'1\.png has a side below 6 px'):
        fill_caches(config, crops=str(tmp_path / 'c.npy'), drawn=True)


def test_components_and_bounds_reach_the_config(config, tmp_path, capsys):
    paths = places(tmp_path)
    options = dict(components=5, max_gib=800 / 2**30)
    fill_caches(config, **paths, **options)
    shown = capsys.readouterr().out
    assert '5 components moved the cosines of 2 pictures by 0.' in shown
    fields = json.loads((tmp_path / 'v.json').read_text())
    assert fields['moved']['images'] == fields['kept_images'] == 2
    assert fields['moved']['mean'] < fields['moved']['max']
    use_caches(config, **paths)
    teacher = config.model.context_teacher
    assert teacher.components == 5 and not teacher.keep_teacher
    views, found = losses(config)
    assert set(views) == {'image', 'vfm'}  # of what is not kept
    assert torch.isfinite(found['loss_context'])


def test_components_are_for_cosines_alone(config, tmp_path):
    config.model.type = 'SomeDistiller'
    with pytest.raises(ValueError, match='SomeDistiller may want more'):
        CacheFiller(config, str(tmp_path / 'v.npy'), components=5)


def test_the_image_loss_keeps_its_teacher(config, tmp_path):
    paths = places(tmp_path)
    fill_caches(config, **paths)
    config.model.image_weight = 1.0
    use_caches(config, **paths)
    assert not config.model.context_teacher.keep_teacher
    assert 'keep_teacher' not in config.model.content_teacher
    assert set(losses(config)[1]) == {
        'loss_content',
        'loss_context',
        'loss_image',
    }


def test_half_precision_is_recorded(config, tmp_path):
    paths = places(tmp_path)
    fill_caches(config, **paths)
    before = stored(paths)
    for path in paths.values():
        os.remove(path)
    fill_caches(config, **paths, amp=True)
    fields = json.loads((tmp_path / 'c.json').read_text())
    assert fields['autocast'] == 'torch.bfloat16'
    for old, new in zip(before, stored(paths)):
        old, new = (np.frombuffer(x, np.float16) for x in (old, new))
        assert 0 < np.abs(old.astype(float) - new).max() < 0.1


# several processes ----------------------------------------------------------
RANK = """
import pickle
import sys

import declip_mm
from declip_mm.apis import leave_distributed
from declip_mm.apis.caching import CacheFiller, fill_caches, join_group

rank, config, vfm, crops = sys.argv[1:]
asked, ask = [], CacheFiller.ask
CacheFiller.ask = lambda self, items: asked.extend(
    i['data_samples'].img_id for i in items) or ask(self, items)
join_group('pytorch', 'cpu')
with open(config, 'rb') as file:
    fill_caches(pickle.load(file), vfm, crops, components=9)
print('asked', sorted(set(asked)))
leave_distributed()
"""


@pytest.mark.slow
def test_ranks_fill_one_cache_together(config, tmp_path):
    alone, both = tmp_path / 'alone', tmp_path / 'both'
    alone.mkdir(), both.mkdir()
    fill_caches(config, **places(alone), components=9)
    (tmp_path / 'config.pkl').write_bytes(pickle.dumps(config))
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    ranks = [
        subprocess.Popen(
            [sys.executable, '-c', RANK, str(rank)]
            + [str(tmp_path / 'config.pkl'), *places(both).values()],
            stdout=subprocess.PIPE,
            text=True,
            env=dict(
                os.environ,
                PYTHONPATH=os.pathsep.join(sys.path),
                RANK=str(rank),
                WORLD_SIZE='2',
                LOCAL_WORLD_SIZE='2',
                MASTER_ADDR='127.0.0.1',
                MASTER_PORT=str(port),
            ),
        )
        for rank in (0, 1)
    ]
    said = [process.communicate()[0] for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0]
    # each opens the files with the first picture
    assert 'asked [0, 2]' in said[0] and 'asked [0, 1]' in said[1]
    assert 'components moved' in said[0] and 'moved' not in said[1]
    for name, path in places(both).items():
        here, there = np.load(path), np.load(places(alone)[name])
        assert np.load(path.replace('.npy', '.filled.npy')).all()
        np.testing.assert_allclose(np.abs(here), np.abs(there), atol=2e-2)


def test_several_machines_cannot_fill_one_file(config, tmp_path, monkeypatch):
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '2')
    monkeypatch.setattr('mmengine.dist.get_world_size', lambda: 4)
    with pytest.raises(RuntimeError, match='several machines cannot fill it'):
        fill_caches(config, **places(tmp_path))


def test_ranks_have_to_be_started(monkeypatch):
    monkeypatch.delenv('RANK', raising=False)
    with pytest.raises(ValueError, match='RANK is not set'):
        join_group('pytorch', 'cuda')
    assert join_group('none', 'cuda') == 'cuda'
