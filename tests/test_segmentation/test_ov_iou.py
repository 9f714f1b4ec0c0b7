"""OVIoUMetric against hand-made counts, mmseg and detectron2's rule."""

import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS

import declip_mm.segmentation  # noqa: F401  (registers the metric)
from declip_mm.datasets.class_maps import read_labels


def sample(pred, target, **meta):
    return dict(
        pred_sem_seg=dict(data=torch.as_tensor(pred)[None]),
        gt_sem_seg=dict(data=torch.as_tensor(target)[None]),
        **meta,
    )


def measure(samples, classes, ignore_index=None, **options):
    metric = METRICS.build(dict(type='OVIoUMetric', **options))
    metric.dataset_meta = dict(classes=classes)
    if ignore_index is not None:
        metric.dataset_meta['ignore_index'] = ignore_index
    metric.process({}, samples)
    return metric.evaluate(len(samples))


# classes a, b, c, d: c is predicted but in no target, d is neither
PRED = [[0, 0, 1, 2], [0, 1, 1, 2]]
TRUE = [[0, 0, 1, 1], [0, 0, 1, 255]]


def test_absent_classes_by_both_rules():
    samples = [sample(PRED, TRUE)]
    zero = measure(samples, list('abcd'))
    # a: 3 of 4; b: 2 of 4 (one taken by c, one lost to a)
    assert zero['mIoU'] == pytest.approx(100 * (3 / 4 + 2 / 4 + 0) / 3)
    assert zero['mAcc'] == pytest.approx(100 * (3 / 4 + 2 / 3) / 2)
    exclude = measure(samples, list('abcd'), rule='detectron2')
    assert exclude['mIoU'] == pytest.approx(100 * (3 / 4 + 2 / 4) / 2)
    assert exclude['aAcc'] == zero['aAcc'] == pytest.approx(500 / 7)


def test_the_rule_of_mmseg_is_its_own():
    make = torch.Generator().manual_seed(3)
    pred = torch.randint(0, 7, (40, 30), generator=make)
    true = torch.randint(0, 5, (40, 30), generator=make)
    true[:4] = 255
    theirs = IoUMetric()
    theirs.dataset_meta = dict(classes=list('abcdefgh'))
    theirs.process({}, [sample(pred, true)])
    wanted = theirs.compute_metrics(theirs.results)
    ours = measure([sample(pred, true)], list('abcdefgh'))
    for key in ('aAcc', 'mIoU', 'mAcc'):
        assert ours[key] == pytest.approx(float(wanted[key]), abs=5.1e-3)


def test_several_queries_are_one_class():
    names = ['cat', 'background']
    pred, true = [[0, 1, 2, 3]], [[0, 1, 1, 0]]
    wanted = measure([sample([[0, 1, 1, 1]], true)], names)
    for class_map in (
        [0, 1, 1, 1],
        ['cat', 'background', 'background', 'background'],
        {2: 'background', 3: 'background'},
    ):
        found = measure([sample(pred, true)], names, class_map=class_map)
        assert found == wanted
    with pytest.raises(ValueError, match=r"\['dog'\], which are no classes"):
        measure([sample(pred, true)], names, class_map=['cat', 'dog'])
    with pytest.raises(ValueError, match='class_map'):
        measure([sample(pred, true)], names)


def test_wide_labels_and_their_ignore_index():
    classes = [str(i) for i in range(1000)]
    true = np.array([[3, 255, 256, 999, 65535]])
    pred = np.array([[3, 255, 0, 999, 7]])
    found = measure(
        [sample(pred, true)], classes, ignore_index=65535, rule='detectron2'
    )
    assert found['aAcc'] == pytest.approx(75)  # 255 is a class like any other
    assert found['mIoU'] == pytest.approx(75)
    with pytest.raises(ValueError, match='ignore_index=255 is class'):
        measure([sample(pred, true)], classes)


def test_no_class_is_a_miss_and_nobodys_false_alarm():
    true, pred = [[0, 0, 1, 1]], [[0, 255, 1, 255]]
    found = measure([sample(pred, true)], ['a', 'b'])
    assert found == pytest.approx(dict(mIoU=50, mAcc=50, aAcc=50))


def test_seen_and_unseen_means():
    true, pred = [[0, 0, 1, 1, 2, 2]], [[0, 0, 1, 0, 2, 0]]
    found = measure(
        [sample(pred, true)], ['a', 'b', 'c'], seen_classes=['a', 'sky']
    )
    assert found['seen_mIoU'] == pytest.approx(50)
    assert found['unseen_mIoU'] == pytest.approx(50)
    assert found['hIoU'] == pytest.approx(50)


@pytest.mark.parametrize('reduced', [False, True])
def test_maps_on_disk_have_the_files_labels(tmp_path, reduced):
    pred = np.array([[0, 300, 999, 65535]])
    item = sample(pred, pred, img_path='x/a.jpg', reduce_zero_label=reduced)
    metric = METRICS.build(
        dict(type='OVIoUMetric', output_dir=str(tmp_path), format_only=True)
    )
    metric.dataset_meta = dict(classes=[str(i) for i in range(1000)])
    metric.process({}, [item])
    assert metric.evaluate(1) == {}
    wanted = [[1, 301, 1000, 0]] if reduced else pred.tolist()
    assert read_labels(str(tmp_path / 'a.png')).tolist() == wanted


def test_format_only_needs_a_folder():
    with pytest.raises(ValueError, match='output_dir'):
        METRICS.build(dict(type='OVIoUMetric', format_only=True))
