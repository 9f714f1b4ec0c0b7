"""IoU of class maps against hand-made figures and a loop."""

import pytest
import torch
from bad_input import logged

from declip_mm.evaluation import DenseIoUMetric, intersect_and_areas

CLASSES = ('cat', 'dog', 'sky', 'sea')
MODULE = 'declip_mm.evaluation.dense_iou.print_log'


def sample(pred, target, path='a.jpg'):
    return {
        'img_path': path,
        'pred_sem_seg': torch.as_tensor(pred),
        'gt_sem_seg': torch.as_tensor(target, dtype=torch.int32),
    }


def evaluate(samples, classes=CLASSES, size=None, **kwargs):
    metric = DenseIoUMetric(**kwargs)
    metric.dataset_meta = {'classes': classes}
    metric.process(None, samples)
    return metric.evaluate(len(samples) if size is None else size)


# target: cat 3, dog 2, sky 1, one ignored; sea neither there nor predicted.
SAMPLES = [
    sample([[0, 0], [1, 1]], [[0, 0], [0, 1]]),
    sample([[1, 0], [1, 2]], [[1, 2], [255, 255]]),
]


def test_by_hand():
    # cat: 2 / (3 + 3 - 2), dog: 2 / (3 + 2 - 2) where dog's third prediction
    # is the cat pixel, sky: 0 / 1. The two ignored pixels count nowhere.
    assert evaluate(SAMPLES) == pytest.approx(
        {
            'seg/mIoU': 100 * (2 / 4 + 2 / 3 + 0) / 3,
            'seg/mAcc': 100 * (2 / 3 + 2 / 2 + 0) / 3,
            'seg/aAcc': 100 * 4 / 6,
        },
        rel=1e-12,
    )


def test_absent_classes_as_zero():
    found = evaluate(SAMPLES, rule='all')
    assert found['seg/mIoU'] == pytest.approx(100 * (1 / 2 + 2 / 3) / 4)
    assert found['seg/mAcc'] == pytest.approx(100 * (2 / 3 + 1) / 4)


def test_predicted_but_absent_class_counts_as_zero():
    found = evaluate([sample([[0, 3]], [[0, 0]])])
    assert found['seg/mIoU'] == pytest.approx(100 * (1 / 2 + 0) / 2)
    assert found['seg/mAcc'] == pytest.approx(50)


def test_a_class_that_is_only_predicted_may_be_left_out():
    found = evaluate([sample([[0, 3]], [[0, 0]])], rule='detectron2')
    assert found['seg/mIoU'] == pytest.approx(50)


@pytest.mark.parametrize(
    'kind, old, rule',
    [
        ('DenseIoUMetric', 'exclude', 'mmseg'),
        ('DenseIoUMetric', 'zero', 'all'),
        ('OVIoUMetric', 'zero', 'mmseg'),
        ('OVIoUMetric', 'exclude', 'detectron2'),
    ],
)
def test_the_old_word_is_read_with_a_notice(kind, old, rule):
    if kind == 'OVIoUMetric':
        pytest.importorskip('mmseg')
        from declip_mm.segmentation import OVIoUMetric as metric
    else:
        metric = DenseIoUMetric
    with logged() as lines:
        assert metric(absent=old).rule == rule
    assert f'absent={old!r} is now called rule={rule!r}' in '\n'.join(lines)
    with pytest.raises(ValueError, match='now called rule'):
        metric(absent='nan')


def test_excluded_classes_and_subsets():
    found = evaluate(
        SAMPLES, exclude_classes=['sky'], subsets={'pets': ['dog']}
    )
    assert found['seg/mIoU'] == pytest.approx(100 * (1 / 2 + 2 / 3) / 2)
    assert found['seg/aAcc'] == pytest.approx(100 * 4 / 5)
    assert found['seg/pets_mIoU'] == pytest.approx(100 * 2 / 3)
    assert found['seg/pets_aAcc'] == pytest.approx(100)
    found = evaluate(SAMPLES, subsets={'wet': ['sea']})
    assert not any('wet' in key for key in found)


@pytest.mark.parametrize('count', [5, 300])
def test_against_the_loop(count):
    generator = torch.Generator().manual_seed(0)
    classes = [f'c{i}' for i in range(count)]
    samples, pairs = [], []
    for _ in range(4):
        pred, target = torch.randint(
            0, count - 1, (2, 30, 40), generator=generator
        )
        keep = torch.rand(30, 40, generator=generator)
        pred = torch.where(keep < 0.6, target, pred)
        target = torch.where(keep > 0.9, 65535, target)
        samples.append(sample(pred, target))
        pairs += zip(pred.flatten(), target.flatten(), strict=True)
    pairs = [(int(p), int(t)) for p, t in pairs if t != 65535]
    ious = []
    for c in range(count):
        both = sum(p == c and t == c for p, t in pairs)
        either = sum(p == c or t == c for p, t in pairs)
        if either:
            ious.append(both / either)
    found = evaluate(samples, classes, ignore_index=65535)
    assert found['seg/mIoU'] == pytest.approx(
        100 * sum(ious) / len(ious), rel=1e-12
    )
    assert found['seg/aAcc'] == pytest.approx(
        100 * sum(p == t for p, t in pairs) / len(pairs), rel=1e-12
    )


def test_counts_of_one_image():
    counts = intersect_and_areas(
        torch.tensor([[0, 1]]), torch.tensor([[0, 255]]), 3, 255
    )
    assert counts.tolist() == [[1, 0, 0], [1, 0, 0], [1, 0, 0]]


def test_mmseg_samples():
    nested = {
        key: {'data': SAMPLES[0][key][None]}
        for key in ('pred_sem_seg', 'gt_sem_seg')
    }
    assert evaluate([nested]) == evaluate(SAMPLES[:1])


def test_padding_of_the_last_batch_is_dropped():
    assert evaluate([*SAMPLES, SAMPLES[0]], size=2) == evaluate(SAMPLES)


def test_nothing_labelled_is_told(monkeypatch):
    told = []
    monkeypatch.setattr(MODULE, lambda m, **kw: told.append(m))
    assert evaluate([sample([[0]], [[255]])]) == {}
    assert 'no image has a labelled pixel' in told[0]


def test_per_class_table(monkeypatch):
    lines = []
    monkeypatch.setattr(MODULE, lambda m, **kw: lines.extend(m.split('\n')))
    evaluate(SAMPLES, per_class=True)
    assert lines[1:] == [
        'class  pixels    IoU  accuracy',
        '-----  ------  -----  --------',
        'cat         3  50.00     66.67',
        'dog         2  66.67    100.00',
        'sky         1   0.00      0.00',
        'sea         0      -         -',
    ]


@pytest.mark.parametrize(
    ('item', 'message'),
    [
        (
            sample([[0]], [[0, 1]], 'b.jpg'),
            r'b\.jpg: predicted map is \(1, 1\), target is \(1, 2\)',
        ),
        (
            sample([[0, 0]], [[4, 9]], 'b.jpg'),
            r'b\.jpg: gt_sem_seg has labels \[4, 9\].*4 classes \(0 to 3\)',
        ),
        (sample([[255]], [[0]]), r'pred_sem_seg has labels \[255\]'),
        (sample([[-1]], [[0]]), r'pred_sem_seg has labels \[-1\]'),
        (sample([[0.5]], [[0]]), r'integer map \(H, W\).*float32'),
        ({'pred_sem_seg': torch.zeros(1, 1).long()}, 'has no gt_sem_seg'),
    ],
)
def test_wrong_samples_are_named(item, message):
    with pytest.raises(ValueError, match=message):
        evaluate([item])


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match='mmseg, detectron2, all'):
        DenseIoUMetric(rule='nan')
    with pytest.raises(ValueError, match="ignore_index=3 is class 'sea'"):
        evaluate(SAMPLES, ignore_index=3)
    with pytest.raises(ValueError, match=r"exclude names \['moon'\]"):
        evaluate(SAMPLES, exclude_classes=['moon'])
