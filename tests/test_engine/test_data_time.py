"""Says when training waits for its pictures, and nothing else."""

from types import SimpleNamespace

import pytest
from mmengine.logging import MessageHub

from declip_mm.engine import DataTimeHook, data_time


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(data_time, 'print_log', lambda m, **_: lines.append(m))
    return lines


def epoch(name, waits, times, hook=None, start=0):
    hook = hook or DataTimeHook()
    hub = MessageHub.get_instance(name)
    runner = SimpleNamespace(
        iter=start,
        epoch=start // 20,
        message_hub=hub,
        train_dataloader=SimpleNamespace(num_workers=4),
    )
    hook.before_train_epoch(runner)
    for wait, time in zip(waits, times):
        hub.update_scalar('train/data_time', wait)
        hub.update_scalar('train/time', time)
        runner.iter += 1
    hook.after_train_epoch(runner)


def test_waiting_is_said_with_numbers(said):
    epoch('waits', [0.4] * 20, [1.0] * 20)
    assert len(said) == 1
    assert '40% of epoch 1 ' in said[0]
    assert '(0.400 of 1.000 s a step)' in said[0]
    assert 'num_workers (now 4;' in said[0]


def test_only_the_epoch_counts_and_not_its_first_step(said):
    hook = DataTimeHook()
    epoch('two', [9] + [0.1] * 19, [10] + [1.0] * 19, hook)
    assert said == []
    epoch('two', [0.9] * 20, [1.0] * 20, hook, start=20)
    assert len(said) == 1 and '90% of epoch 2 ' in said[0]


def test_quiet_where_nothing_is_known(said):
    epoch('short', [0.9] * 5, [1.0] * 5)
    epoch('none', [], [])
    epoch('fast', [0.2] * 20, [1.0] * 20)
    assert said == []


def test_a_share_is_asked_for():
    with pytest.raises(ValueError, match='most must be a share above 0'):
        DataTimeHook(most=30)
