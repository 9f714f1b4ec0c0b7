"""The file of --out, also where a test is stopped or the disk is full."""

import pickle

import pytest
from mmengine.evaluator import Evaluator

from declip_mm.engine import PredictionsFile, predictions


@pytest.fixture
def metric(tmp_path):
    metric = PredictionsFile(str(tmp_path / 'out' / 'r.pkl'))
    metric.process({}, [dict(x=1), dict(x=2)])
    return metric


def read(path):
    with open(path, 'rb') as file:
        return pickle.load(file)


def test_all_predictions(metric, tmp_path):
    assert Evaluator([metric]).evaluate(2) == {}
    assert read(tmp_path / 'out' / 'r.pkl') == [dict(x=1), dict(x=2)]
    assert metric.problem == ''


def test_a_stopped_test_keeps_its_part_under_another_name(metric, tmp_path):
    said = metric.rescue()
    part = tmp_path / 'out' / 'r.partial.pkl'
    assert said == f'The 2 predictions so far are in {part}.'
    assert len(read(part)) == 2
    assert not (tmp_path / 'out' / 'r.pkl').exists()
    assert PredictionsFile(str(tmp_path / 'x.pkl')).rescue() == ''


def test_a_full_disk_costs_no_other_metric(metric, monkeypatch):
    def full(*_, **__):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(predictions, 'dump', full)
    assert Evaluator([metric]).evaluate(2) == {}
    assert metric.problem.endswith('was not written: No space left on device.')
    metric.process({}, [dict(x=1)])
    assert 'No space left on device' in metric.rescue()
