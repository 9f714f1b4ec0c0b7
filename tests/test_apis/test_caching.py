"""Filling the caches of a config: the same losses, whoever fills them."""

import io
import json
import os
import pickle
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS, MODELS
from PIL import Image
from tiny import backbone_cfg, distiller_cfg, vfm_cfg
from toy_world import make_clip

from declip_mm.apis.caching import (
    CacheFiller,
    fill_caches,
    join_group,
    use_caches,
)

VIEWS = dict(
    type='DeCLIPViews', image_size=96, crop_size=64, vfm_size=96, max_split=2
)


@pytest.fixture
def config(tmp_path):
    """Three pictures, a tiny CLIP and a tiny VFM with weights on disk."""
    make_clip(tmp_path / 'clip.safetensors')
    trunk = MODELS.build(vfm_cfg()).trunk.state_dict()
    torch.save(trunk, tmp_path / 'vfm.pth')
    (tmp_path / 'img').mkdir()
    for index in range(3):
        noise = np.random.default_rng(index).integers(
            0, 256, (50, 70, 3), np.uint8
        )
        Image.fromarray(noise).save(tmp_path / 'img' / f'{index}.png')
    weights = dict(pretrained=str(tmp_path / 'clip.safetensors'))
    clip = backbone_cfg(frozen_stages=0, **weights)
    model = distiller_cfg(
        backbone=clip,
        content_teacher=dict(
            type='CLIPCropTeacher', backbone=backbone_cfg(**weights)
        ),
        context_teacher=vfm_cfg(pretrained=str(tmp_path / 'vfm.pth')),
        data_preprocessor=dict(
            type='DeCLIPPreprocessor',
            vfm_mean=[127.5] * 3,
            vfm_std=[127.5] * 3,
        ),
    )
    dataset = dict(
        type='DeCLIPImageDataset',
        img_dir=str(tmp_path / 'img'),
        views=dict(VIEWS),
    )
    return Config(
        dict(
            model=model,
            train_dataloader=dict(dataset=dataset),
            train_cfg=dict(max_epochs=2),
            randomness=dict(seed=5),
        )
    )


def places(folder):
    return dict(vfm=str(folder / 'v.npy'), crops=str(folder / 'c.npy'))


def losses(cfg):
    model = MODELS.build(cfg.model)
    model.init_weights()
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    items = [dataset[0], dataset[2]]
    data = model.data_preprocessor(pseudo_collate(items))
    return data['inputs'], model(**data, mode='loss')


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
        torch.testing.assert_close(cached[name], value, rtol=1e-3, atol=1e-3)


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
def stored(paths):
    return [np.load(path).tobytes() for path in paths.values()]


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
