"""A random part of the data set per epoch, batches of one shape."""

import numpy as np
import pytest
from mmengine.registry import DATA_SAMPLERS

from declip_mm.datasets import samplers


def sampler(**options):
    cfg = dict(type='PartialSampler', dataset=range(40), seed=0, **options)
    return DATA_SAMPLERS.build(cfg)


def epoch(part, number):
    part.set_epoch(number)
    return list(part)


def test_a_quarter_of_the_pictures_and_another_one_each_epoch():
    part = sampler(parts=4)
    first, second = epoch(part, 0), epoch(part, 1)
    assert len(part) == len(first) == len(set(first)) == 10
    assert set(first) != set(second)
    seen = set().union(*(epoch(part, number) for number in range(40)))
    assert seen == set(range(40))


def test_a_resumed_epoch_is_the_same():
    assert epoch(sampler(parts=4), 3) == epoch(sampler(parts=4), 3)


def test_one_part_is_everything():
    assert sorted(epoch(sampler(parts=1), 0)) == list(range(40))


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(parts=0), 'parts=0 is out of range: allowed are 1 to the 40'),
        (dict(parts=41), 'parts=41 is out of range'),
        (dict(parts=4, shuffle=False), 'same part in every epoch'),
    ],
)
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        sampler(**options)


# batches of one shape -------------------------------------------------------
class Pictures:
    """40 pictures of a common shape, 17 of another, 3 of a rare one."""

    buckets = np.array([0] * 40 + [1] * 17 + [2] * 3)[
        np.random.default_rng(0).permutation(60)
    ]

    def __len__(self):
        return 60


def batches(rank=0, world=1, number=0, sampler='DefaultSampler', **options):
    part = options.pop('parts', None)
    cfg = dict(type=sampler, dataset=Pictures(), seed=3)
    if part:
        cfg['parts'] = part
    inner = DATA_SAMPLERS.build(cfg)
    inner.rank, inner.world_size = rank, world
    inner.set_epoch(number)
    options = dict(dict(batch_size=4), **options)
    return DATA_SAMPLERS.build(
        dict(type='BucketBatchSampler', sampler=inner, **options)
    )


def shapes(batch):
    return set(Pictures.buckets[batch].tolist())


@pytest.mark.parametrize('drop_last, count', [(True, 14), (False, 16)])
def test_a_batch_has_one_shape_and_every_picture_comes_once(drop_last, count):
    found = list(batches(drop_last=drop_last))
    assert len(found) == len(batches(drop_last=drop_last)) == count
    assert all(len(shapes(batch)) == 1 for batch in found)
    seen = sum(found, [])
    assert len(seen) == len(set(seen)) == (56 if drop_last else 60)
    if drop_last:
        assert {len(batch) for batch in found} == {4}


@pytest.mark.parametrize('drop_last', [True, False])
def test_ranks_have_the_same_shapes_and_steps_in_every_epoch(drop_last):
    lengths = set()
    for number in range(5):
        ranks = [
            list(batches(r, 2, number, drop_last=drop_last)) for r in (0, 1)
        ]
        lengths.add(tuple(map(len, ranks)))
        for one, two in zip(*ranks):
            assert shapes(one) == shapes(two) and len(shapes(one)) == 1
            assert len(one) == len(two)
            assert drop_last is False or not set(one) & set(two)
        seen = {i for rank in ranks for batch in rank for i in batch}
        assert len(seen) == (56 if drop_last else 60)
    assert lengths == {(7, 7) if drop_last else (9, 9)}


def test_epochs_differ_and_a_resumed_one_is_the_same():
    first, second, again = (list(batches(number=n)) for n in (0, 1, 0))
    assert first == again != second
    # a rare shape is not always last
    places = {
        [shapes(b) for b in batches(number=n)].index({2}) for n in range(20)
    }
    assert len(places) > 5


def test_unshuffled_pictures_keep_their_order():
    inner = DATA_SAMPLERS.build(
        dict(type='DefaultSampler', dataset=Pictures(), shuffle=False)
    )
    cfg = dict(type='BucketBatchSampler', sampler=inner, batch_size=4)
    found = list(DATA_SAMPLERS.build(cfg))
    whole = [b for b in found if shapes(b) == {0}]
    assert sum(whole, []) == np.flatnonzero(Pictures.buckets == 0).tolist()


def test_a_part_of_the_batches():
    part = dict(sampler='PartialSampler', parts=4)
    first, second = (list(batches(number=n, **part)) for n in (0, 1))
    assert len(first) == len(second) == len(batches(**part)) == 4
    assert first != second
    seen = {i for n in range(60) for b in batches(number=n, **part) for i in b}
    assert seen == set(range(60))


def test_pictures_that_never_come_are_counted(monkeypatch):
    lines = []
    monkeypatch.setattr(samplers, 'print_log', lambda m, **_: lines.append(m))
    batches(drop_last=True)
    assert len(lines) == 1 and '3 pictures are never shown' in lines[0]
    batches(drop_last=False)
    batches(drop_last=True, batch_size=3)
    assert len(lines) == 1


def test_what_cannot_be_sorted_is_refused():
    plain = DATA_SAMPLERS.build(dict(type='DefaultSampler', dataset=range(9)))
    endless = DATA_SAMPLERS.build(
        dict(type='InfiniteSampler', dataset=Pictures())
    )
    for inner, message in (
        (plain, 'the pictures of range have no shape'),
        (endless, 'got InfiniteSampler'),
    ):
        cfg = dict(type='BucketBatchSampler', sampler=inner, batch_size=4)
        with pytest.raises(TypeError, match=message):
            DATA_SAMPLERS.build(cfg)
    with pytest.raises(ValueError, match='make no batch of 41 of one shape'):
        batches(batch_size=41, drop_last=True)
    with pytest.raises(ValueError, match='batch_size must be a whole number'):
        batches(batch_size=0)
