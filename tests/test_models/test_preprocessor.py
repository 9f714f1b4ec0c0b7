"""Batching and normalising the views."""

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import MODELS
from mmengine.structures import BaseDataElement

from declip_mm.models.preprocessor import DeCLIPPreprocessor


def noise(*shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8)


def picture(count=2, size=(32, 32), **fields):
    """A sample as the data set gives it."""
    inputs = dict(
        image=noise(3, *size),
        crops=noise(count, 3, 16, 16),
        vfm=noise(3, 28, 28),
    )
    sample = BaseDataElement(
        metainfo=dict(img_id=count), valid_hw=torch.ones(2), **fields
    )
    return dict(inputs=inputs, data_samples=sample)


def with_boxes(count, **options):
    return picture(count, boxes=torch.rand(count, 4), **options)


def test_ragged_batch():
    samples = [with_boxes(3), with_boxes(0), with_boxes(1)]
    batch = MODELS.build(dict(type='DeCLIPPreprocessor'))(
        pseudo_collate(samples), True
    )
    inputs = batch['inputs']
    assert inputs['image'].shape == (3, 3, 32, 32)
    assert inputs['crops'].shape == (4, 3, 16, 16)
    assert inputs['vfm'].shape == (3, 3, 28, 28)
    assert {v.dtype for v in inputs.values()} == {torch.float32}
    assert [s.img_id for s in batch['data_samples']] == [3, 0, 1]
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
    last = samples[2]['inputs']
    torch.testing.assert_close(
        inputs['crops'][3], (last['crops'][0] / 255 - mean) / std
    )
    torch.testing.assert_close(
        inputs['image'][2], (last['image'] / 255 - mean) / std
    )
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    torch.testing.assert_close(
        inputs['vfm'][2], (last['vfm'] / 255 - mean) / std
    )


def test_own_statistics():
    model = DeCLIPPreprocessor(mean=[127.5] * 3, std=[127.5] * 3)
    data = pseudo_collate([with_boxes(1)])
    data['inputs']['image'][0][:] = 255
    assert model(data)['inputs']['image'].unique().tolist() == [1.0]


def test_statistics_stay_out_of_checkpoints():
    assert not DeCLIPPreprocessor().state_dict()


def test_only_a_picture():
    data = pseudo_collate([dict(inputs=dict(image=noise(3, 32, 48)))])
    batch = DeCLIPPreprocessor()(data)
    assert set(batch['inputs']) == {'image'}
    assert batch['data_samples'] is None


def test_list_of_dicts_and_stacked_tensors():
    samples = [with_boxes(2), with_boxes(1)]
    model = DeCLIPPreprocessor()
    whole = model(pseudo_collate(samples))['inputs']
    listed = dict(
        inputs=[s['inputs'] for s in samples],
        data_samples=[s['data_samples'] for s in samples],
    )
    stacked = pseudo_collate(samples)
    stacked['inputs']['image'] = torch.stack(stacked['inputs']['image'])
    for data in (listed, stacked):
        got = model(data)['inputs']
        assert all(torch.equal(got[k], whole[k]) for k in whole)


def test_several_sizes_are_padded_with_black():
    data = pseudo_collate([picture(size=(20, 40)), picture(size=(33, 16))])
    black, white = (0.0 - 127.5) / 127.5, (255 - 127.5) / 127.5
    for image in data['inputs']['image']:
        image[:] = 255
    model = DeCLIPPreprocessor([127.5] * 3, [127.5] * 3, size_divisor=16)
    batch = model(data)
    image = batch['inputs']['image']
    assert image.shape == (2, 3, 48, 48)
    assert (image[0, :, :20, :40] == white).all()
    assert (image[0, :, 20:] == black).all()
    assert (image[0, :, :, 40:] == black).all()
    shares = [s.valid_hw.tolist() for s in batch['data_samples']]
    assert shares[0] == pytest.approx([20 / 48, 40 / 48])
    assert shares[1] == pytest.approx([33 / 48, 16 / 48])


@pytest.mark.parametrize(
    'samples, options',
    [
        ([with_boxes(1), with_boxes(1, size=(32, 16))], {}),
        ([with_boxes(1, size=(30, 30))], dict(size_divisor=16)),
        (
            [picture(size=(30, 30), masks=torch.ones(1, 30, 30) > 0)],
            dict(size_divisor=16),
        ),
    ],
)
def test_boxes_and_masks_forbid_padding(samples, options):
    with pytest.raises(ValueError, match='boxes or masks would no longer fit'):
        DeCLIPPreprocessor(**options)(pseudo_collate(samples))


def broken(view, value):
    data = pseudo_collate([with_boxes(1), with_boxes(1)])
    data['inputs'][view][1] = value
    return data


@pytest.mark.parametrize(
    'data, message',
    [
        (broken('image', torch.rand(3, 32, 32)), 'image must be uint8.*float'),
        (broken('image', 'x.jpg'), 'image must be uint8.* got str'),
        (broken('image', noise(32, 32)), r'image must be \(3, H, W\)'),
        (broken('image', noise(32, 32, 3)), r'got \(32, 32, 3\)'),
        (broken('crops', noise(3, 16, 16)), r'crops must be \(K, 3, c, c\)'),
        (broken('crops', noise(1, 3, 8, 8)), 'crops of one batch .* one size'),
        (broken('vfm', noise(3, 14, 14)), 'vfm of one batch'),
        (dict(inputs=dict(crops=[])), "inputs have 'image'"),
        (dict(inputs=[]), "inputs have 'image'"),
        (dict(inputs=[noise(3, 8, 8)]), 'list of Tensor'),
        ([noise(3, 8, 8)], "inputs have 'image'"),
        (
            dict(inputs=dict(image=[noise(3, 8, 8)], depth=[])),
            r"unknown views \['depth'\]",
        ),
        (
            dict(inputs=dict(image=[noise(3, 8, 8)], vfm=[])),
            '0 vfm for 1 pictures',
        ),
    ],
)
def test_refused_batches(data, message):
    with pytest.raises((TypeError, ValueError), match=message):
        DeCLIPPreprocessor()(data)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(mean=[0.5] * 3), 'looks like a share of 1'),
        (dict(std=[1, 1]), 'std must be three numbers'),
        (dict(vfm_std=[0, 1, 1]), 'vfm_std must be .* above 0'),
        (dict(size_divisor=0), 'size_divisor must be 1 or more'),
    ],
)
def test_refused_options(options, message):
    with pytest.raises(ValueError, match=message):
        DeCLIPPreprocessor(**options)


def test_no_normalising_is_possible():
    model = DeCLIPPreprocessor(mean=[0] * 3, std=[1] * 3)
    data = pseudo_collate([with_boxes(1)])
    image = model(data)['inputs']['image'][0]
    assert torch.equal(image, data['inputs']['image'][0].float())
