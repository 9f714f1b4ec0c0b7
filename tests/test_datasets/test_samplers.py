"""A random part of the data set per epoch."""

import pytest
from mmengine.registry import DATA_SAMPLERS

import declip_mm  # noqa: F401  (registers everything)


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
