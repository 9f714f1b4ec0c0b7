"""Regions for evaluation: COCO instances, COCO panoptic, class maps."""

import copy

import numpy as np
import pytest
import torch
from coco_world import (
    HEIGHT,
    WIDTH,
    annotation,
    compressed,
    content,
    rectangle,
    uncompressed,
)
from mmengine.dataset import pseudo_collate
from PIL import Image


def test_sample_of_the_contract(world):
    found = world(content(annotation(1), annotation(2, (0, 0, 80, 40))))
    assert found.metainfo['classes'] == ('cat', 'sky')
    assert found.metainfo['isthing'] == (True, False)
    assert len(found) == 1
    data = found[0]
    sample = data['data_samples']
    # 40 x 80 at 64 px: 32 x 64, the lower half of the square is black
    image = data['inputs']['image']
    assert image.shape == (3, 64, 64) and not image[:, 32:].any()
    assert sample.valid_hw.tolist() == [0.5, 1.0]
    assert sample.boxes.tolist() == [
        [0.125, 0.125, 0.25, 0.25],
        [0.0, 0.0, 1.0, 0.5],
    ]
    assert sample.masks.dtype == torch.bool
    assert sample.masks.shape == (2, 64, 64)
    expected = torch.zeros(64, 64, dtype=torch.bool)
    expected[8:16, 8:16] = True
    assert torch.equal(sample.masks[0], expected)
    assert sample.region_labels.tolist() == [0, 0]
    assert sample.region_isthing.tolist() == [True, True]
    assert sample.ori_shape == (40, 80) and sample.img_id == 0
    assert 'gt_sem_seg' not in sample
    batch = pseudo_collate([data])
    assert batch['data_samples'][0] is sample


@pytest.mark.parametrize('encode', [compressed, uncompressed])
def test_run_length_encodings(world, encode):
    mask = rectangle(10, 10, 20, 20) | rectangle(30, 4, 60, 8)
    found = world(
        content(annotation(1, segmentation=encode(mask))), image_size=80
    )
    got = found[0]['data_samples'].masks[0, :40].numpy()
    assert np.array_equal(got, mask.astype(bool))


def test_polygons_are_joined(world):
    squares = [[x, 10, x + 10, 10, x + 10, 20, x, 20] for x in (10, 40)]
    found = world(content(annotation(1, segmentation=squares)), image_size=80)
    got = found[0]['data_samples'].masks[0, :40].numpy()
    both = rectangle(10, 10, 20, 20) | rectangle(40, 10, 50, 20)
    assert np.array_equal(got, both.astype(bool))


def test_a_stuff_box_is_that_of_its_mask(world):
    loose = annotation(
        1, (0, 0, 80, 40), compressed(rectangle(8, 0, 24, 16)), category_id=7
    )
    sample = world(content(loose))[0]['data_samples']
    expected = torch.tensor([[0.1, 0.0, 0.3, 0.2]])
    torch.testing.assert_close(sample.boxes, expected)
    assert sample.region_isthing.tolist() == [False]


def test_crops_of_things_are_enlarged(world):
    thing = annotation(1, (20, 10, 40, 30))
    stuff = annotation(2, (20, 10, 40, 30), category_id=7)
    found = world(content(thing, stuff), crops=dict(size=30, thing_scale=1.5))
    crops = found[0]['inputs']['crops']
    pixels = np.array(Image.open(world.root / 'img' / '1.png'))
    cut = torch.from_numpy(pixels[5:35, 15:45]).permute(2, 0, 1)
    assert crops.shape == (2, 3, 30, 30)
    assert torch.equal(crops[0], cut)
    small = Image.fromarray(pixels[10:30, 20:40])
    small = np.array(small.resize((30, 30), Image.Resampling.BICUBIC))
    assert np.array_equal(crops[1].permute(1, 2, 0).numpy(), small)


def test_labels_of_the_stored_orientation(world):
    """The turned picture would not fit the labels, so it is not turned."""
    before = world(content(annotation(1)))[0]['inputs']['image']
    exif = Image.Exif()
    exif[0x0112] = 6
    path = world.root / 'img' / '1.png'
    Image.open(path).save(path, exif=exif)
    after = world(content(annotation(1)))[0]['inputs']['image']
    assert torch.equal(before, after)


def test_labels_of_the_shown_orientation(world):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = world.root / 'img' / '1.png'
    shown = world(content(annotation(1)))[0]['inputs']['image']
    turned = Image.open(path).transpose(Image.Transpose.ROTATE_90)
    turned.save(path, exif=exif)
    got = world(content(annotation(1)))[0]['inputs']['image']
    assert torch.equal(shown, got)


# class maps -----------------------------------------------------------------
def maps(world, array, mode=None):
    (world.root / 'seg').mkdir(exist_ok=True)
    for number in (1, 2):
        Image.fromarray(array, mode).save(world.root / 'seg' / f'{number}.png')


@pytest.mark.parametrize('kind', [np.uint8, np.uint16])
def test_class_maps_as_stored(world, kind):
    array = np.zeros((HEIGHT, WIDTH), kind)
    array[3, 5], array[4, 4] = 1, 255
    maps(world, array)
    found = world(content(annotation(1)), seg_dir='seg')
    assert len(found) == 2  # the second has no region
    for data, count in zip((found[0], found[1]), (1, 0)):
        sample = data['data_samples']
        assert np.array_equal(sample.gt_sem_seg.numpy(), array)
        assert sample.masks.shape == (count, 64, 64)
        assert sample.boxes.shape == (count, 4)


def test_palettes_keep_their_indices(world):
    maps(world, np.full((HEIGHT, WIDTH), 1, np.uint8), 'P')
    found = world(content(annotation(1)), seg_dir='seg')
    assert found[1]['data_samples'].gt_sem_seg.unique().tolist() == [1]


def test_wrong_class_maps(world):
    maps(world, np.full((HEIGHT, WIDTH, 3), [1, 0, 0], np.uint8))
    data = content(annotation(1))
    with pytest.raises(ValueError, match='one value per pixel'):
        world(data, seg_dir='seg')[0]
    with pytest.raises(ValueError, match='Leave classes out, or seg_dir'):
        world(data, seg_dir='seg', classes=['cat'])
    (world.root / 'seg' / '2.png').unlink()
    with pytest.raises(FileNotFoundError, match='1 of 2 files .* 2.png'):
        world(data, seg_dir='seg')


# panoptic -------------------------------------------------------------------
def panoptic(world):
    ids = np.zeros((HEIGHT, WIDTH), np.int64)
    ids[:16] = 70000  # all three channels
    ids[20:30, 40:60] = 300
    ids[0:2, 0:2] = 5
    pixels = np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1)
    (world.root / 'pan').mkdir()
    Image.fromarray(pixels.astype(np.uint8)).save(world.root / 'pan/1.png')
    segments = [
        dict(id=70000, category_id=7, bbox=[0, 0, 80, 16], iscrowd=0),
        dict(id=300, category_id=3, bbox=[40, 20, 20, 10], iscrowd=0),
        dict(id=5, category_id=3, bbox=[0, 0, 2, 2], iscrowd=1),
    ]
    data = content()
    data['annotations'] = [
        dict(image_id=1, file_name='1.png', segments_info=segments)
    ]
    return data


def test_panoptic(world):
    found = world(panoptic(world), panoptic_dir='pan')
    assert len(found) == 1
    sample = found[0]['data_samples']
    assert sample.region_labels.tolist() == [1, 0]
    assert sample.region_isthing.tolist() == [False, True]
    assert sample.boxes.tolist() == [
        [0.0, 0.0, 1.0, pytest.approx(0.2)],
        [0.5, 0.25, 0.75, 0.375],
    ]
    expected = torch.zeros(64, 64, dtype=torch.bool)
    expected[16:24, 32:48] = True
    assert torch.equal(sample.masks[1], expected)


def test_panoptic_contradictions(world):
    data = panoptic(world)
    with pytest.raises(ValueError, match='set panoptic_dir'):
        world(data)
    twice = copy.deepcopy(data)
    twice['annotations'] *= 2
    with pytest.raises(ValueError, match='two annotations of image 1'):
        world(twice, panoptic_dir='pan')
    data['annotations'][0]['segments_info'][1]['id'] = 70000
    with pytest.raises(ValueError, match='two in 1.png segments 70000'):
        world(data, panoptic_dir='pan')
    with pytest.raises(ValueError, match='leave panoptic_dir out'):
        world(content(annotation(1)), panoptic_dir='pan')


def test_a_segment_without_pixels_is_left_out(world):
    data = panoptic(world)
    data['annotations'][0]['segments_info'][1]['id'] = 301
    sample = world(data, panoptic_dir='pan')[0]['data_samples']
    assert sample.region_labels.tolist() == [1]
    assert len(sample.masks) == len(sample.boxes) == 1


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(crops=dict(sise=3)), 'is not understood'),
        (dict(crops=dict(thing_scale=0.5)), 'is not understood'),
        (dict(image_size=0), 'image_size must be'),
    ],
)
def test_refused_options(world, options, message):
    with pytest.raises(ValueError, match=message):
        world(content(annotation(1)), **options)
