"""Region classification against hand-made figures and a loop."""

import logging

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import BaseDataElement

from declip_mm.evaluation import RegionClassificationMetric

CLASSES = ('cat', 'dog', 'sky', 'sea', 'car', 'bus', 'tree')
MODULE = 'declip_mm.evaluation.region_classification.print_log'


def sample(labels, ranks, things=None, feature='box', path='a.jpg'):
    """A sample whose right class stands at the given ranks (9: nowhere)."""
    rows = []
    for label, rank in zip(labels, ranks, strict=True):
        row = [c for c in range(len(CLASSES)) if c != label][:5]
        if rank < 5:
            row.insert(rank, label)
        rows.append(row[:5])
    if things is None:
        things = [label not in (2, 3) for label in labels]
    return {
        'img_path': path,
        'region_labels': torch.tensor(labels, dtype=torch.int64),
        'region_isthing': torch.tensor(things, dtype=torch.bool),
        'region_topk': {feature: torch.tensor(rows).reshape(-1, 5)},
    }


def evaluate(samples, classes=CLASSES, size=None, **kwargs):
    metric = RegionClassificationMetric(**{'features': ('box',), **kwargs})
    metric.dataset_meta = {'classes': classes}
    metric.process(None, samples)
    return metric.evaluate(len(samples) if size is None else size)


SAMPLES = [
    sample([0, 0, 0, 1, 2], [0, 0, 9, 0, 3]),
    sample([], []),
    sample([0, 3, 3], [4, 9, 0]),
]


def test_by_hand():
    # cat: 2 of 4 (3 of 4 in the first five), dog 1 of 1, sky 0 of 1
    # (1 of 1), sea 1 of 2 (1 of 2); car, bus and tree do not occur.
    found = evaluate(SAMPLES)
    assert found == {
        'region/num_regions': 8,
        'region/box_macc': 100 * (0.5 + 1 + 0 + 0.5) / 4,
        'region/box_macc5': 100 * (0.75 + 1 + 1 + 0.5) / 4,
        'region/box_top1': 100 * 4 / 8,
        'region/box_top5': 100 * 6 / 8,
        'region/box_thing_macc': 100 * (0.5 + 1) / 2,
        'region/box_stuff_macc': 100 * (0 + 0.5) / 2,
    }


def test_boxes_alone():
    """Data without masks have no figures of masks."""
    metric = RegionClassificationMetric(('box', 'mask'))
    metric.dataset_meta = {'classes': CLASSES, 'masks': False}
    metric.process(None, SAMPLES)
    found = metric.evaluate(len(SAMPLES))
    assert found['region/box_macc'] == evaluate(SAMPLES)['region/box_macc']
    assert not [key for key in found if 'mask' in key]
    metric = RegionClassificationMetric(('mask',))
    metric.dataset_meta = {'classes': CLASSES, 'masks': False}
    with pytest.raises(ValueError, match="Ask for 'box'"):
        metric.process(None, SAMPLES)


def test_full_precision():
    found = evaluate([sample([0, 0, 0, 1, 1, 1, 1], [0, 9, 9, 0, 0, 0, 9])])
    expected = 100 * (1 / 3 + 3 / 4) / 2
    assert found['region/box_macc'] == pytest.approx(expected, rel=1e-15)
    half = 100 * float((np.float16(1 / 3) + np.float16(3 / 4)) / 2)
    assert found['region/box_macc'] != pytest.approx(half, rel=1e-6)


def loop(samples, feature, members):
    """The measure, region by region."""
    hits, hits5, count = {}, {}, {}
    for item in samples:
        rows = item['region_topk'][feature].tolist()
        for label, row in zip(
            item['region_labels'].tolist(), rows, strict=True
        ):
            if label in members:
                count[label] = count.get(label, 0) + 1
                hits[label] = hits.get(label, 0) + (row[0] == label)
                hits5[label] = hits5.get(label, 0) + (label in row[:5])
    return (
        100 * sum(hits[c] / count[c] for c in count) / len(count),
        100 * sum(hits5[c] / count[c] for c in count) / len(count),
        100 * sum(hits.values()) / sum(count.values()),
    )


def test_against_the_loop():
    generator = torch.Generator().manual_seed(0)
    samples = []
    for index in range(30):
        n = index % 6
        scores = torch.rand(2, n, len(CLASSES), generator=generator)
        topk = scores.topk(5).indices
        labels = torch.randint(0, 6, (n,), generator=generator)
        samples.append(
            {
                'img_path': str(index),
                'region_labels': labels,
                'region_isthing': labels < 3,
                'region_topk': {'box': topk[0], 'crop': topk[1]},
            }
        )
    found = evaluate(
        samples,
        features=('box', 'crop'),
        subsets={'unseen': ['bus', 'cat']},
        exclude=['bus', 'cat'],
    )
    for feature in ('box', 'crop'):
        for stem, members in (('', {1, 2, 3, 4, 6}), ('unseen_', {0, 5})):
            macc, macc5, top1 = loop(samples, feature, members)
            stem = f'region/{feature}_{stem}'
            assert found[f'{stem}macc'] == pytest.approx(macc, rel=1e-12)
            assert found[f'{stem}macc5'] == pytest.approx(macc5, rel=1e-12)
            assert found[f'{stem}top1'] == pytest.approx(top1, rel=1e-12)
    total = sum(len(s['region_labels']) for s in samples)
    assert (
        found['region/num_regions'] + found['region/unseen_num_regions']
        == total
    )


def test_subset_beside_the_main_columns():
    found = evaluate(SAMPLES, subsets={'pets': ['cat', 'dog']})
    assert found['region/box_macc'] == 50
    assert found['region/box_pets_macc'] == 75
    found = evaluate(SAMPLES, exclude=['cat'])
    assert found['region/box_macc'] == pytest.approx(50)
    assert found['region/num_regions'] == 4
    assert found['region/box_thing_macc'] == 100


def test_columns_without_regions_are_left_out():
    found = evaluate([sample([0], [0])], subsets={'cars': ['car']})
    assert 'region/box_stuff_macc' not in found
    assert not any('cars_macc' in key for key in found)
    assert found['region/cars_num_regions'] == 0


def test_no_region_at_all_is_told(monkeypatch):
    told = []
    monkeypatch.setattr(MODULE, lambda m, **kw: told.append((m, kw['level'])))
    empty = [sample([], []), {'img_path': 'b.jpg'}]
    assert evaluate(empty) == {'region/num_regions': 0}
    assert 'none of the images has a region' in told[0][0]
    assert told[0][1] == logging.WARNING


def test_fewer_classes_than_five():
    item = {
        'region_labels': torch.tensor([1]),
        'region_topk': {'box': torch.tensor([[0, 1]])},
    }
    found = evaluate([item], classes=('a', 'b'))
    assert found == {
        'region/num_regions': 1,
        'region/box_macc': 0,
        'region/box_macc5': 100,
        'region/box_top1': 0,
        'region/box_top5': 100,
    }


def test_padding_of_the_last_batch_is_dropped():
    once = evaluate(SAMPLES)
    again = evaluate([*SAMPLES, SAMPLES[0], SAMPLES[2]], size=3)
    assert again == once


def test_through_the_evaluator():
    evaluator = Evaluator(
        [{'type': 'RegionClassificationMetric', 'features': ['box']}]
    )
    evaluator.dataset_meta = {'classes': CLASSES}
    elements = []
    for item in SAMPLES:
        element = BaseDataElement()
        element.set_data({k: v for k, v in item.items() if k != 'img_path'})
        element.set_metainfo({'img_path': 'x.jpg'})
        elements.append(element)
    evaluator.process(elements)
    assert evaluator.evaluate(3)['region/box_macc'] == 50


def test_per_class_table(monkeypatch):
    lines = []
    monkeypatch.setattr(MODULE, lambda m, **kw: lines.extend(m.split('\n')))
    evaluate(SAMPLES, per_class=True)
    assert lines[1:] == [
        'class  regions  box top-1',
        '-----  -------  ---------',
        'cat          4      50.00',
        'dog          1     100.00',
        'sky          1       0.00',
        'sea          2      50.00',
    ]


def bad(**changes):
    return {**sample([0, 1], [0, 0], path='bad.jpg'), **changes}


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            {'region_labels': torch.tensor([0, 7])},
            r'bad\.jpg has region labels \[7\].*7 classes \(0 to 6\)',
        ),
        ({'region_labels': torch.tensor([-1, 0])}, r'labels \[-1\]'),
        ({'region_topk': {}}, r"no prediction for feature 'box', only.*\[\]"),
        (
            {'region_topk': {'box': torch.zeros(3, 5)}},
            r'shape \(3, 5\) for 2 regions',
        ),
        (
            {'region_topk': {'box': torch.zeros(2, 3)}},
            'best 3 classes, top-5 accuracy needs 5',
        ),
        (
            {'region_topk': {'box': torch.full((2, 5), 9)}},
            'class 9 is predicted',
        ),
        ({'region_isthing': torch.tensor([True])}, '2 region_labels but 1'),
    ],
)
def test_wrong_samples_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        evaluate([bad(**changes)])


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="out of .*'box'.*got .'roi'"):
        RegionClassificationMetric(features=['roi'])
    with pytest.raises(ValueError, match="'thing'"):
        RegionClassificationMetric(subsets={'thing': ['cat']})
    with pytest.raises(ValueError, match=r"'act'.*close to 'act': cat"):
        evaluate(SAMPLES, exclude=['act'])
    with pytest.raises(ValueError, match=r"subset 's' names \['moon'\]"):
        evaluate(SAMPLES, subsets={'s': ['moon']})
    with pytest.raises(ValueError, match='needs the class names'):
        evaluate(SAMPLES, classes=())
    with pytest.raises(ValueError, match='leaves none of the 7 classes'):
        evaluate(SAMPLES, exclude=CLASSES)
