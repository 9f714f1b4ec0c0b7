"""Order, threads, seeds and folders that all tests share."""

import gc
import os
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from yapf.yapflib import yapf_api

TESTS = Path(__file__).resolve().parent
# Small tensors: more threads than cores only wait for each other.
torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', 2)))
# Every run prints and writes its config, four times, and yapf takes longer to
# lay it out than a toy trains. What a user gets, tests/test_entrances asks.
yapf_api.FormatCode = lambda text, **_: (text, False)


def _stage(item: pytest.Item) -> int:
    """Unit tests first, then the configs, then what takes long.

    Last is what has a process for every core, so that none is idle at the end.
    """
    if item.get_closest_marker('slow'):
        return 2 + ('entrances' in item.fixturenames)
    return int(item.path.name.startswith('test_configs'))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_stage)


def _leave_alone() -> None:
    """Take what is there out of garbage collection: modules, test items.

    mmengine collects whenever a data set is built, which took a second each.
    """
    gc.collect()
    gc.freeze()
    _frozen.append(len(sys.modules))


#: How many modules there were each time.
_frozen: list[int] = []


def pytest_collection_finish() -> None:
    _leave_alone()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    # a toolbox was imported
    if len(sys.modules) > _frozen[-1] + 300:
        _leave_alone()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Of ``-n``: who shares a process is said in ``workers.py``."""
    from workers import Shares

    config.option.loadscopereorder = False
    return Shares(config, log)


@pytest.fixture(scope='session')
def repo_root() -> Path:
    """Root of the clone."""
    return TESTS.parent


@pytest.fixture(scope='session')
def golden_dir() -> Path:
    """Arrays recorded from the authors' own code."""
    return TESTS / 'data' / 'golden'


def set_seed(seed: int) -> None:
    """Seeds every generator that a test may draw from."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    set_seed(0)


@pytest.fixture(autouse=True)
def _fresh_scope():
    """No test sees the default scope (mmdet, mmseg ...) of another."""
    yield
    DefaultScope._instance_dict.clear()


@pytest.fixture
def said(monkeypatch) -> list[str]:
    """Notices of old names, each as if for the first time."""
    lines: list[str] = []
    monkeypatch.setattr('declip_mm.deprecation._said', set())
    monkeypatch.setattr('declip_mm.deprecation._tell', lines.append)
    return lines
