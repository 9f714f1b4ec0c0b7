"""The files that region classification writes on request."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from PIL import Image

from declip_mm.evaluation import RegionClassificationMetric
from declip_mm.evaluation.confusion import count_confusions, worst_mistakes

CLASSES = ('cat', 'dog', 'sky', 'sea', 'car', 'bus')


def sample(labels, first):
    rest = [[c for c in range(6) if c != best][:4] for best in first]
    rows = [[best, *others] for best, others in zip(first, rest)]
    return {
        'region_labels': torch.tensor(labels, dtype=torch.int64),
        'region_topk': {'box': torch.tensor(rows).reshape(-1, 5)},
    }


SAMPLES = [sample([0, 0, 0, 1], [0, 1, 5, 1]), sample([0, 3], [0, 3])]


def evaluate(samples, **options):
    metric = RegionClassificationMetric(features=['box'], **options)
    metric.dataset_meta = {'classes': CLASSES}
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def test_files_lie_beside_the_log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('run').mkdir()
    log = Path('run/run.log').absolute()
    logger = MMLogger.get_instance('files', log_file=str(log))
    evaluate(
        SAMPLES, per_class_file='classes.csv', confusion_file='confusion.png'
    )
    lines = Path('run/classes.csv').read_text().splitlines()
    assert lines == [
        'class,regions,box top-1',
        'cat,4,50.0',
        'dog,1,100.0',
        'sea,1,100.0',
    ]
    with Image.open('run/confusion.png') as picture:
        assert min(picture.size) > 300
    assert str(log.parent / 'classes.csv') in log.read_text()
    logger.handlers[-1].close()
    MMLogger._instance_dict.pop('files')


def test_files_without_a_log(tmp_path):
    path = tmp_path / 'new' / 'classes.md'
    evaluate(SAMPLES, per_class_file=str(path))
    assert path.read_text().splitlines() == [
        '| class | regions | box top-1 |',
        '| --- | ---: | ---: |',
        '| cat | 4 | 50.00 |',
        '| dog | 1 | 100.00 |',
        '| sea | 1 | 100.00 |',
    ]


def test_no_file_where_no_region_occurs(tmp_path):
    path = tmp_path / 'confusion.png'
    empty = evaluate([sample([], [])], confusion_file=str(path))
    assert empty == {'region/num_regions': 0}
    assert not path.exists()


def test_confusions_by_hand():
    merged = dict(
        labels=np.array([0, 0, 0, 2, 2]), first=np.array([0, 2, 2, 2, 5])
    )
    names, counts = count_confusions(merged, CLASSES)
    assert names == ['cat', 'sky']
    assert counts.tolist() == [[1, 2, 0], [0, 1, 1]]
    text = worst_mistakes(counts, [*names, 'other'])
    assert text.splitlines()[3:] == [
        'cat \u2192 sky: 2 of 3',
        'sky \u2192 other: 1 of 2',
    ]


def test_wrong_file_names_are_refused():
    with pytest.raises(ValueError, match=r"\*\.md or \*\.csv, got 'a\.txt'"):
        RegionClassificationMetric(per_class_file='a.txt')
    with pytest.raises(ValueError, match=r"\*\.png, got 'a\.jpg'"):
        RegionClassificationMetric(confusion_file='a.jpg')
