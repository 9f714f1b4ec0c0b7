"""Caches that hold a part, and teachers that are asked for the rest."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.registry import MODELS
from mmengine.structures import BaseDataElement
from tiny import backbone_cfg, batch, distiller_cfg, vfm_cfg

from declip_mm.engine import RunGuardHook
from declip_mm.models import cached_teacher
from declip_mm.models.components import principal_components
from declip_mm.models.losses import context_loss

GRID = 24 * 6 * 6 * 2  # bytes of a picture's map


def vfm_cache(path, **options):
    options = dict(teacher=vfm_cfg(), num_images=4, **options)
    return MODELS.build(dict(type='VFMCache', path=str(path), **options))


def crop_cache(path, **options):
    teacher = dict(type='CLIPCropTeacher', backbone=backbone_cfg())
    options = dict(dict(num_images=4, num_cells=8), **options)
    return MODELS.build(
        dict(type='CropCache', path=str(path), teacher=teacher, **options)
    )


def pictures(*ids, cells=None):
    """A batch of some pictures, each always the same."""
    images, crops, samples = [], [], []
    for number in ids:
        torch.manual_seed(number)
        images.append(torch.randn(3, 96, 96))
        own = cells or [0, 1, 2]
        crops += [torch.randn(3, 64, 64) for _ in range(8)][: len(own)]
        sample = BaseDataElement(
            boxes=torch.zeros(len(own), 4), cell_ids=np.array(own)
        )
        sample.set_metainfo(dict(img_id=number))
        samples.append(sample)
    return torch.stack(images), torch.stack(crops), samples


@pytest.fixture
def asked(monkeypatch):
    """How many pictures or crops a teacher was shown, call by call."""
    counts = []
    ask = cached_teacher.CachedTeacher._ask

    def note(self, inputs):
        counts.append(len(inputs))
        return ask(self, inputs)

    monkeypatch.setattr(cached_teacher.CachedTeacher, '_ask', note)
    return counts


# a part ---------------------------------------------------------------------
def test_a_batch_asks_for_what_is_missing_alone(tmp_path, monkeypatch):
    cache = crop_cache(tmp_path / 'c.npy')
    seen = []
    see = cache.teacher.forward
    monkeypatch.setattr(
        cache.teacher, 'forward', lambda x: seen.append(len(x)) or see(x)
    )
    _, crops, samples = pictures(0, 1)
    first = cache(crops, samples)
    _, crops, samples = pictures(1, 2)
    second = cache(crops, samples)
    assert seen == [6, 3]
    assert torch.equal(second[:3], first[3:])
    wanted = see(crops)
    torch.testing.assert_close(second, wanted, rtol=1e-3, atol=1e-3)
    assert torch.equal(cache(None, samples), second)


def test_what_is_there_twice_is_looked_at_once(tmp_path, asked):
    cache = crop_cache(tmp_path / 'c.npy')
    _, crops, samples = pictures(3, 3, cells=[4, 1])
    found = cache(crops, samples)
    assert asked == [2] and torch.equal(found[:2], found[2:])
    wanted = cache.teacher(crops)
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


def test_a_bound_keeps_the_first_pictures(tmp_path, monkeypatch):
    cache = vfm_cache(tmp_path / 'v.npy', max_gib=2.5 * GRID / 2**30)
    seen = []
    see = cache.teacher.forward
    monkeypatch.setattr(
        cache.teacher, 'forward', lambda x: seen.append(len(x)) or see(x)
    )
    images, _, samples = pictures(0, 1, 2, 3)
    first = cache(images, samples)
    assert len(np.load(tmp_path / 'v.npy')) == 2
    assert torch.equal(cache(images, samples), first)
    assert seen == [4, 2]  # the others are computed in every epoch
    with pytest.raises(KeyError, match=r'\[3\] \(it keeps the first 2 only'):
        cache(None, samples[1::2])
    # and so does a run without the bound, which finds the file
    again = MODELS.build(dict(type='VFMCache', path=str(cache.path)))
    assert torch.equal(again(None, samples[:2]), first[:2])


def test_a_bound_counts_crops_by_pictures(tmp_path):
    cache = crop_cache(tmp_path / 'c.npy', max_gib=300 * 2 / 2**30)
    _, crops, samples = pictures(0, 3)
    cache(crops, samples)
    assert np.load(tmp_path / 'c.npy').shape == (3, 8, 12)  # 96 values each
    assert not cache.file.keeps(cache.keys(np.array([3]), samples[1:])).any()


@pytest.mark.parametrize('bound', [0, -1, 1e-9])
def test_a_bound_without_room_is_refused(tmp_path, bound):
    images, _, samples = pictures(0)
    with pytest.raises(ValueError, match='max_gib'):
        vfm_cache(tmp_path / 'v.npy', max_gib=bound)(images, samples)
    assert not (tmp_path / 'v.npy').exists()


# several processes ----------------------------------------------------------
def test_who_comes_second_takes_the_file_of_the_first(tmp_path, monkeypatch):
    """Two ranks find no file, compute, and want to make it."""
    torch.manual_seed(0)
    first, second = (crop_cache(tmp_path / 'c.npy') for _ in range(2))
    second.teacher.backbone.load_state_dict(
        first.teacher.backbone.state_dict()
    )
    _, mine, my_samples = pictures(1)
    _, crops, samples = pictures(0)
    see, found = second.teacher.forward, []

    def while_the_other_stores(views):
        found.append(first(mine, my_samples))
        return see(views)

    monkeypatch.setattr(second.teacher, 'forward', while_the_other_stores)
    kept = second(crops, samples)
    for cache in (first, second):
        cache.file.flush()
        assert torch.equal(cache(None, samples), kept)
        assert torch.equal(cache(None, my_samples), found[0])


def test_who_comes_second_has_to_want_the_same(tmp_path, monkeypatch):
    torch.manual_seed(0)
    first = crop_cache(tmp_path / 'c.npy')
    second = crop_cache(tmp_path / 'c.npy', num_cells=9)
    second.teacher.backbone.load_state_dict(
        first.teacher.backbone.state_dict()
    )
    _, crops, samples = pictures(0)
    see = second.teacher.forward
    monkeypatch.setattr(
        second.teacher,
        'forward',
        lambda views: [first(crops, samples), see(views)][1],
    )
    with pytest.raises(ValueError, match='num_cells: cache has 8, run has 9'):
        second(crops, samples)


# components -----------------------------------------------------------------
def test_components_are_stored_with_their_error(tmp_path):
    cache = vfm_cache(tmp_path / 'v.npy', components=4)
    images, _, samples = pictures(0, 2)
    first = cache(images, samples)
    features = cache.teacher(images)
    wanted = principal_components(features, 4)
    torch.testing.assert_close(first, wanted, rtol=1e-2, atol=1e-3)
    assert np.load(tmp_path / 'v.npy').shape == (4, 4, 6, 6)
    assert torch.equal(cache(None, samples), first)
    moved = cache.moved()
    assert moved['images'] == 2 and 0 < moved['mean'] < moved['max'] < 2


def test_the_context_loss_of_many_components_is_that_of_features(tmp_path):
    """23 of 24: the norm of the network has taken one direction out."""
    images, _, samples = pictures(0, 1)
    student = [torch.randn(2, 36, 24)]
    losses = []
    for number, options in enumerate([{}, dict(components=23)]):
        torch.manual_seed(0)
        cache = vfm_cache(tmp_path / f'{number}.npy', **options)
        teacher = cache(images, samples).flatten(2).transpose(1, 2)
        losses.append(context_loss(student, teacher))
    torch.testing.assert_close(*losses, rtol=1e-3, atol=0)


@pytest.mark.parametrize('stored, wanted', [(None, 4), (4, None), (4, 5)])
def test_components_have_to_be_asked_for(tmp_path, stored, wanted):
    images, _, samples = pictures(0)
    vfm_cache(tmp_path / 'v.npy', components=stored)(images, samples)
    cache = vfm_cache(tmp_path / 'v.npy', components=wanted)
    text = f'components: cache has {stored!r}, run has {wanted!r}'
    with pytest.raises(ValueError, match=text):
        cache(None, samples)


# teachers that go -----------------------------------------------------------
def test_a_teacher_that_has_nothing_to_see_goes(tmp_path):
    torch.manual_seed(0)
    images, _, samples = pictures(0)
    kept = vfm_cache(tmp_path / 'v.npy')
    kept(images, samples)
    kept.file.flush()
    path, teacher = str(kept.path), vfm_cfg()
    for views, gone in ((images, False), (None, True)):
        cache = vfm_cache(path, keep_teacher=False)
        cache.teacher.trunk.load_state_dict(kept.teacher.trunk.state_dict())
        assert torch.equal(cache(views, samples), kept(None, samples))
        assert (cache.teacher is None) is gone
        assert bool(list(cache.parameters())) is not gone
    other = dict(type='VFMCache', path=path, teacher=teacher)
    cache = MODELS.build(dict(other, keep_teacher=False))
    with pytest.raises(ValueError, match='made for something else: teacher'):
        cache(None, samples)  # compared before it goes


def test_a_distiller_trains_without_its_teachers(tmp_path):
    torch.manual_seed(0)
    crops = crop_cache(tmp_path / 'c.npy')
    vfm = vfm_cache(tmp_path / 'v.npy')
    images, cut, samples = pictures(0, 1)
    crops(cut, samples), vfm(images, samples)
    crops.file.flush(), vfm.file.flush()
    model = MODELS.build(
        distiller_cfg(
            content_teacher=dict(type='CropCache', path=str(crops.path)),
            context_teacher=dict(type='VFMCache', path=str(vfm.path)),
        )
    )
    inputs, boxes = batch((3, 3))
    for sample, own in zip(samples, boxes):
        sample.set_data(dict(boxes=own.boxes, valid_hw=own.valid_hw))
    losses = model(dict(image=inputs['image']), samples, mode='loss')
    assert all(torch.isfinite(v) for v in losses.values())


def test_averaged_weights_need_the_teacher(tmp_path):
    def run(**options):
        model = torch.nn.Module()
        model.content_teacher = crop_cache(tmp_path / 'c.npy', **options)
        data = SimpleNamespace(dataset=None)
        hooks = [EMAHook()]
        runner = dict(model=model, hooks=hooks, train_dataloader=data)
        RunGuardHook().before_train(SimpleNamespace(**runner))

    run()
    with pytest.raises(ValueError, match='content_teacher.keep_teacher=True'):
        run(keep_teacher=False)


# old files ------------------------------------------------------------------
def test_caches_of_earlier_versions_are_read(tmp_path):
    """They have neither keys nor notes, and fewer fields."""
    rows = np.random.default_rng(0).normal(size=(4, 8, 12)).astype(np.float16)
    maps = rows[:, :, :6].reshape(4, 2, 4, 6)
    filled = np.ones((4, 8), bool)
    filled[2, 5] = False
    for name, array, flags, fields in (
        ('c', rows, filled, dict(out_dim=12, size=64, scale=1.0)),
        ('v', maps, np.ones(4, bool), dict(view=[96, 96])),
    ):
        np.save(tmp_path / f'{name}.npy', array)
        np.save(tmp_path / f'{name}.filled.npy', flags)
        fields = dict(fields, num_images=4, source='a', teacher=None)
        (tmp_path / f'{name}.json').write_text(json.dumps(fields))
    images, _, samples = pictures(3, 1, cells=[7, 0])
    vfm = MODELS.build(dict(type='VFMCache', path=str(tmp_path / 'v.npy')))
    found = vfm(images, samples).numpy()
    assert np.array_equal(found, maps[[3, 1]].astype(np.float32))
    crops = MODELS.build(dict(type='CropCache', path=str(tmp_path / 'c.npy')))
    found = crops(None, samples).numpy()
    wanted = rows[[3, 3, 1, 1], [7, 0, 7, 0]].astype(np.float32)
    assert np.array_equal(found, wanted)
    _, _, samples = pictures(2, cells=[5])
    with pytest.raises(KeyError, match=r'no crops of images \[2\] and'):
        crops(None, samples)


def test_cells_stay_on_the_host():
    """A copy from a GPU would wait for all that it has to do."""
    _, _, samples = pictures(0)
    assert isinstance(samples[0].to('meta').cell_ids, np.ndarray)
