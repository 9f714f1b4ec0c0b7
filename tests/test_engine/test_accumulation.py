"""Accumulation equals one big batch, also resumed."""

import copy
import itertools

import pytest
import torch
from mmengine import dist
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch.utils.data import Dataset

from declip_mm.engine.accumulation import split_batch

NUMBER = itertools.count()
COUNTS = (5, 0, 1, 2, 3, 7, 1, 1)  # boxes of a picture


class RaggedPictures(Dataset):
    """Vectors in the place of pictures, each with some boxes."""

    metainfo = dict()

    def __init__(self, length=8):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        count = COUNTS[index % len(COUNTS)]
        sample = BaseDataElement(
            boxes=torch.rand(count, 4, generator=generator)
        )
        image = torch.rand(4, generator=generator)
        return dict(inputs=dict(image=image), data_samples=sample)


class MeanOverBoxes(BaseModel):
    """A loss that is a mean over all boxes, and one over all pictures."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(4, 3)

    def forward(self, inputs, data_samples, mode='loss'):
        out = self.layer(torch.stack(list(inputs['image'])))
        first = data_samples[0]
        boxes = sum(len(s.boxes) for s in data_samples)
        boxes = first.get('group_boxes', boxes)
        share = first.get('group_size', 1) * dist.get_world_size()
        total = sum((self.layer(s.boxes) ** 2).sum() for s in data_samples)
        return dict(
            loss_boxes=total / (boxes / share), loss_images=(out**2).mean()
        )


@pytest.fixture(autouse=True)
def _registered():
    MODELS.register_module(module=MeanOverBoxes, force=True)
    DATASETS.register_module(module=RaggedPictures, force=True)
    yield
    MODELS._module_dict.pop('MeanOverBoxes')
    DATASETS._module_dict.pop('RaggedPictures')


def runner(folder, accumulate=None, epochs=2, **changes):
    loop = dict(type='EpochBasedTrainLoop', max_epochs=epochs)
    counts = 1
    if accumulate:
        loop.update(type='AccumulationTrainLoop', accumulate=accumulate)
        counts = changes.pop('counts', accumulate)
    loader = dict(
        batch_size=4,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(type='RaggedPictures'),
        collate_fn=dict(type='pseudo_collate'),
    )
    loader.update(changes.pop('loader', {}))
    return Runner(
        model=dict(type='MeanOverBoxes'),
        work_dir=str(folder),
        train_dataloader=loader,
        train_cfg=loop,
        optim_wrapper=changes.pop(
            'optim_wrapper',
            dict(
                type='OptimWrapper',
                optimizer=dict(type='SGD', lr=0.1, momentum=0.9),
                accumulative_counts=counts,
            ),
        ),
        param_scheduler=dict(
            type='LinearLR', start_factor=0.5, by_epoch=False, end=3
        ),
        default_hooks=dict(logger=None),
        experiment_name=f'accumulation_{next(NUMBER)}',
        log_level='ERROR',
        **changes,
    )


def weights(run):
    return copy.deepcopy(run.model.state_dict())


@pytest.mark.parametrize('accumulate', [1, 2, 4])
def test_equals_the_undivided_batch(tmp_path, accumulate):
    whole = runner(tmp_path / 'a')
    whole.train()
    parts = runner(tmp_path / 'b', accumulate)
    parts.train()
    assert parts.iter == whole.iter == 4
    assert parts.optim_wrapper.inner_count == 4 * accumulate
    assert parts.optim_wrapper.get_lr() == whole.optim_wrapper.get_lr()
    torch.testing.assert_close(weights(parts), weights(whole))
    for name in ('loss', 'loss_boxes', 'loss_images'):
        logged = [
            torch.tensor(r.message_hub.get_scalar(f'train/{name}').data[0])
            for r in (whole, parts)
        ]
        torch.testing.assert_close(*logged)


def test_a_plain_mean_would_differ(tmp_path, monkeypatch):
    """The toy loss does notice a missing normaliser."""
    monkeypatch.setattr(
        BaseDataElement, 'get', lambda self, key, default=None: default
    )
    whole, parts = runner(tmp_path / 'a'), runner(tmp_path / 'b', 2)
    whole.train()
    parts.train()
    with pytest.raises(AssertionError):
        torch.testing.assert_close(weights(parts), weights(whole))


def test_resumed_equals_uninterrupted(tmp_path):
    # 3 steps an epoch: the step count is no multiple of the parts
    loader = dict(batch_size=2, dataset=dict(type='RaggedPictures', length=6))
    straight = runner(tmp_path / 'a', 2, loader=loader)
    straight.train()
    half = runner(tmp_path / 'b', 2, epochs=2, loader=loader)
    half.train_loop._max_epochs = 1  # interrupted; the plan was two
    half.train()
    resumed = runner(
        tmp_path / 'c',
        2,
        loader=loader,
        resume=True,
        load_from=str(tmp_path / 'b' / 'epoch_1.pth'),
    )
    resumed.train()
    assert resumed.iter == 6
    assert resumed.optim_wrapper.inner_count == 12
    for key, value in weights(straight).items():
        assert torch.equal(value, weights(resumed)[key])


def test_a_mismatch_is_refused(tmp_path):
    for number, (options, message) in enumerate(
        [
            (
                dict(accumulate=3),
                'batch_size=4 .* accumulate=3 .* take 3 or 6',
            ),
            (dict(accumulate=0.5), 'whole number'),
            (
                dict(accumulate=2, counts=4),
                'accumulate=2, but .*accumulative_counts=4',
            ),
            (
                dict(
                    accumulate=2,
                    loader=dict(dataset=dict(type='RaggedPictures', length=6)),
                ),
                '6 pictures .* last batch of 2 .*drop_last=True',
            ),
            (
                dict(
                    accumulate=2,
                    loader=dict(
                        drop_last=True,
                        dataset=dict(type='RaggedPictures', length=3),
                    ),
                ),
                '3 pictures of a rank make no batch of 4',
            ),
        ]
    ):
        run = runner(tmp_path / str(number), **options)
        with pytest.raises(ValueError, match=message):
            run.train()


def test_split():
    samples = [RaggedPictures()[i] for i in range(4)]
    batch = dict(
        inputs=dict(image=[s['inputs']['image'] for s in samples]),
        data_samples=[s['data_samples'] for s in samples],
    )
    first, second = split_batch(batch, 2)
    assert len(first['inputs']['image']) == len(second['data_samples']) == 2
    assert second['inputs']['image'][1] is samples[3]['inputs']['image']
    assert {s.group_boxes for s in batch['data_samples']} == {8}
    assert {s.group_size for s in batch['data_samples']} == {2}


@pytest.mark.parametrize(
    'batch, message',
    [
        ([1, 2], 'expected a dict .* got list'),
        (dict(inputs=[]), 'data_samples'),
        (
            dict(inputs='ab', data_samples=[BaseDataElement()] * 2),
            'a str in the batch',
        ),
        (
            dict(inputs=[1], data_samples=[BaseDataElement()] * 2),
            '1 elements for 2',
        ),
        (dict(data_samples=[BaseDataElement()] * 3), '3 pictures cannot'),
    ],
)
def test_split_refuses(batch, message):
    with pytest.raises((TypeError, ValueError), match=message):
        split_batch(batch, 2)
