"""Caches of both teachers: no mixed-up rows."""

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS
from tiny import backbone_cfg, batch, vfm_cfg

from declip_mm.datasets.grid import all_cells, count_cells, draw_cells, rng_for


def crop_teacher():
    return dict(type='CLIPCropTeacher', backbone=backbone_cfg())


def crop_cache(path, **options):
    return MODELS.build(dict(type='CropCache', path=str(path), **options))


def samples_with_cells(**metainfo):
    inputs, samples = batch()
    for number, sample in enumerate(samples):
        ids = torch.arange(len(sample.boxes)) + 2 * number
        sample.set_data(dict(cell_ids=ids))
        sample.set_metainfo(dict(crop_view=dict(size=64, scale=1.0)))
        sample.set_metainfo(metainfo)
    return inputs, samples


@pytest.fixture
def filled(tmp_path):
    """A cache after one batch, its inputs and what it gave."""
    torch.manual_seed(0)
    inputs, samples = samples_with_cells()
    cache = crop_cache(
        tmp_path / 'crops.npy',
        teacher=crop_teacher(),
        num_images=4,
        num_cells=8,
    )
    return cache, inputs, samples, cache(inputs['crops'], samples)


# cells ----------------------------------------------------------------------
def test_every_drawn_cell_has_its_id():
    boxes, ids = all_cells(300, 200, 6)
    assert len(boxes) == count_cells(6) == 361 and count_cells(4) == 86
    assert sorted(ids) == list(range(361))
    of_id = dict(zip(ids.tolist(), boxes.tolist()))
    for image in range(60):
        cells, drawn = draw_cells(300, 200, rng_for(0, 0, image))
        assert [of_id[i] for i in drawn.tolist()] == cells.tolist()


def test_ids_of_a_small_grid_are_those_of_a_larger_one():
    small, large = all_cells(64, 64, 4), all_cells(64, 64, 6)
    assert np.array_equal(small[1], large[1][:86])
    assert np.array_equal(small[0], large[0][:86])


def test_a_tiny_picture_lacks_cells_but_keeps_ids():
    boxes, ids = all_cells(2, 64, 4)
    assert 0 < len(ids) < 86 and len(set(ids.tolist())) == len(boxes)
    full = dict(zip(*(x.tolist() for x in all_cells(64, 64, 4)[::-1])))
    for box, number in zip(boxes.tolist(), ids.tolist()):
        assert [box[0], box[2]] == [full[number][0], full[number][2]]


# rows -----------------------------------------------------------------------
def test_cache_gives_what_the_teacher_gave(filled):
    cache, inputs, samples, first = filled
    wanted = cache.teacher(inputs['crops'])
    torch.testing.assert_close(first, wanted, rtol=1e-3, atol=1e-3)
    assert torch.equal(cache(None, samples), first)
    # a later run reads it without the teacher
    cache.file.flush()
    again = crop_cache(cache.path)
    assert again.out_dim == cache.out_dim
    assert again.pixel_mean == pytest.approx(cache.pixel_mean)
    assert torch.equal(again(None, samples[::-1])[:2], first[3:])


def test_a_missing_row_is_named(filled):
    cache, _, samples, _ = filled
    samples[1].set_metainfo(dict(img_id=3))
    with pytest.raises(KeyError, match=r'no crops of images \[3\]'):
        cache(None, samples)
    samples[1].cell_ids += 90
    with pytest.raises(ValueError, match='8 cells an image.*draws cell'):
        cache(None, samples)


def test_proposals_have_no_cells(filled):
    cache, inputs, _, _ = filled
    _, samples = batch()
    with pytest.raises(ValueError, match='no grid cells'):
        cache(inputs['crops'], samples)


@pytest.mark.parametrize('what', ['weights', 'scale', 'source', 'images'])
def test_another_cache_is_refused(tmp_path, what):
    torch.manual_seed(0)
    teacher, options = crop_teacher(), dict(num_images=4, num_cells=8)
    inputs, samples = samples_with_cells(source='a')
    cache = crop_cache(tmp_path / 'c.npy', teacher=teacher, **options)
    cache(inputs['crops'], samples)
    cache.file.flush()
    torch.manual_seed(1 if what == 'weights' else 0)
    if what == 'source':
        samples = samples_with_cells(source='b')[1]
    if what == 'scale':
        samples[0].set_metainfo(dict(crop_view=dict(size=64, scale=1.5)))
    if what == 'images':
        options['num_images'] = 5
    other = crop_cache(tmp_path / 'c.npy', teacher=teacher, **options)
    with pytest.raises(ValueError, match='made for something else'):
        other(None, samples)


def test_parts_of_a_concatenation_do_not_mix(filled, tmp_path):
    """img_id restarts in every part of a ConcatDataset."""
    cache, _, samples, _ = filled
    samples[0].set_metainfo(dict(source='a'))
    samples[1].set_metainfo(dict(source='b'))
    with pytest.raises(ValueError, match="several lists.*'a', 'b'"):
        cache(None, samples)
    inputs, samples = samples_with_cells(source='a')
    vfm = dict(type='VFMCache', path=str(tmp_path / 'v.npy'))
    vfm = MODELS.build(dict(vfm, teacher=vfm_cfg(), num_images=4))
    vfm(inputs['vfm'], samples)
    other = samples_with_cells(source='b')[1]
    with pytest.raises(ValueError, match='holds a.*is of b'):
        vfm(inputs['vfm'], other)
