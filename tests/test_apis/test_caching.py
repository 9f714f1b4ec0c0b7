"""Filling the caches of a config: the same losses, whoever fills them."""

import io
import os
import pickle

import numpy as np
import pytest
import torch
from cache_world import cached_config, losses, places, stored
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS, MODELS
from toy_world import make_clip

from declip_mm.apis.caching import (
    CacheFiller,
    fill_caches,
    use_caches,
)


@pytest.fixture
def config(tmp_path):
    return cached_config(tmp_path)


def test_training_with_caches_has_the_same_losses(config, tmp_path, capsys):
    paths = places(tmp_path)
    views, without = losses(config)
    assert set(views) == {'image', 'crops', 'vfm'}
    fill_caches(config, **paths)
    shown = capsys.readouterr()
    assert 'vfm: ' in shown.out and 'crops: ' in shown.out
    assert 'pictures: 100%' in shown.err and '2/2' in shown.err
    fill_caches(config, **paths)  # nothing is left to compute
    assert 'pictures' not in capsys.readouterr().err
    use_caches(config, **paths)
    views, cached = losses(config)
    assert set(views) == {'image'}
    assert set(cached) == {'loss_content', 'loss_context'}
    for name, value in without.items():
        torch.testing.assert_close(cached[name], value, rtol=1e-4, atol=1e-4)


def test_a_cache_must_hold_this_clip(config, tmp_path):
    path = str(tmp_path / 'c.npy')
    fill_caches(config, crops=path)
    make_clip(tmp_path / 'clip.safetensors')  # other random weights
    use_caches(config, crops=path)
    with pytest.raises(ValueError, match='made for something else: teacher'):
        losses(config)


@pytest.mark.parametrize('broken', [0, 1])
def test_a_damaged_picture_is_left_out(config, tmp_path, capsys, broken):
    path = str(tmp_path / 'c.npy')
    (tmp_path / 'img' / f'{broken}.png').write_bytes(b'no picture')
    (damaged,) = fill_caches(config, crops=path)
    shown = capsys.readouterr().out
    assert damaged.endswith(f'{broken}.png')  # the tool exits with 1
    assert shown.count('damaged picture left out') == 1
    assert f'{broken}.png' in shown
    use_caches(config, crops=path)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    cache = MODELS.build(config.model.content_teacher)
    cache.teacher.backbone.init_weights()
    data = pseudo_collate([dataset[i] for i in range(3)])
    assert torch.isfinite(cache(None, data['data_samples'])).all()


def test_both_teachers_are_where_they_are_asked_to_be(config, tmp_path):
    paths = str(tmp_path / 'v.npy'), str(tmp_path / 'c.npy')
    filler = CacheFiller(config, *paths, device='meta')
    for cache in (filler.vfm, filler.crops):
        assert {p.device.type for p in cache.parameters()} == {'meta'}
    assert filler.preprocess.device.type == 'meta'  # and so are the views


def test_a_missing_device_is_refused(config, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 0)
    with pytest.raises(ValueError, match='cuda:0.*sees 0 CUDA devices'):
        fill_caches(config, crops=str(tmp_path / 'c.npy'), device='cuda:0')
    assert not (tmp_path / 'c.npy').exists()


# who fills them -------------------------------------------------------------
def test_workers_and_batches_store_the_same_bits(config, tmp_path):
    found = []
    for number, options in enumerate(
        [{}, dict(batch=1), dict(processes=2, batch=1)]
    ):
        (tmp_path / str(number)).mkdir()
        paths = places(tmp_path / str(number))
        fill_caches(config, **paths, **options)
        filled = np.load(tmp_path / str(number) / 'c.filled.npy')
        assert filled.shape == (3, 9) and filled.all()
        found.append(stored(paths))
    assert found[0] == found[1] == found[2]


def test_what_the_workers_store_is_what_the_teachers_say(config, tmp_path):
    paths = places(tmp_path)
    fill_caches(config, **paths, processes=2)
    filler = CacheFiller(config, **paths)
    data = filler.preprocess(pseudo_collate([filler.dataset[1]]))
    for cache, name in ((filler.vfm, 'vfm'), (filler.crops, 'crops')):
        said = cache.teacher(data['inputs'][name]).half().numpy()
        row = np.load(cache.path)[1]
        assert np.array_equal(row, said[0] if name == 'vfm' else said)


@pytest.mark.parametrize('processes', [1, 2])
def test_an_error_leaves_what_was_stored(
    config, tmp_path, monkeypatch, processes
):
    """And the same command goes on with the rest."""
    paths, ask = places(tmp_path), CacheFiller.ask

    def fail(self, items):
        if any(i['data_samples'].img_id == 2 for i in items):
            raise OSError('no such disk')
        return ask(self, items)

    with monkeypatch.context() as patch:
        patch.setattr(CacheFiller, 'ask', fail)
        with pytest.raises(OSError, match='no such disk'):
            fill_caches(config, **paths, processes=processes, batch=1)
    filled = np.load(tmp_path / 'v.filled.npy')
    assert filled.tolist() == [True, True, False]
    asked = []

    def note(self, items):
        asked.extend(i['data_samples'].img_id for i in items)
        return ask(self, items)

    monkeypatch.setattr(CacheFiller, 'ask', note)
    fill_caches(config, **paths)
    assert asked == [0, 2]  # the first opens the files


def test_a_process_that_was_not_forked_maps_the_same_file(config, tmp_path):
    filler = CacheFiller(config, **places(tmp_path))
    filler.ask([filler.dataset[0]])
    other = pickle.loads(pickle.dumps(filler))
    other.ask([other.dataset[2]])
    assert filler.missing() == [1]


def test_views_are_normalised_as_the_teacher_wants_them(config, tmp_path):
    """Also where the config leaves the statistics to the network."""
    half = dict(pixel_mean=(0.5,) * 3, pixel_std=(0.25,) * 3)
    config.model.context_teacher.update(half)
    config.model.data_preprocessor = dict(type='DeCLIPPreprocessor')
    paths = places(tmp_path)
    filler = CacheFiller(config, **paths)
    assert filler.preprocess.vfm_mean.flatten().tolist() == [127.5] * 3
    config.model.data_preprocessor.vfm_mean = [0.0] * 3
    with pytest.raises(ValueError, match='vfm_mean'):
        CacheFiller(config, **paths)


def test_on_a_gpu_workers_only_make_the_views(config, tmp_path, monkeypatch):
    filler = CacheFiller(config, **places(tmp_path))
    filler.ask([filler.dataset[0]])
    (tmp_path / 'cpu').mkdir()
    fill_caches(config, **places(tmp_path / 'cpu'), batch=1)
    here, ask = os.getpid(), CacheFiller.ask

    def asked_here(self, items):
        assert os.getpid() == here and len(items[0]['inputs']['crops']) == 9
        return ask(self, items)

    monkeypatch.setattr(CacheFiller, 'ask', asked_here)
    filler.device = torch.device('cuda')  # the tensors stay where they are
    filler.fill([1, 2], batch=1, workers=2)
    assert stored(places(tmp_path)) == stored(places(tmp_path / 'cpu'))


def test_a_damaged_picture_is_told_above_the_bar(
    config, tmp_path, monkeypatch
):
    (tmp_path / 'img' / '1.png').write_bytes(b'damaged')
    screen = io.StringIO()
    monkeypatch.setattr('sys.stdout', screen)
    monkeypatch.setattr('sys.stderr', screen)
    MMLogger.get_instance(f'of {tmp_path.name}')
    fill_caches(config, **places(tmp_path))
    lines = screen.getvalue().splitlines()
    (line,) = (one for one in lines if 'damaged picture skipped' in one)
    assert 'it/s' not in line and any('2/2' in one for one in lines)
