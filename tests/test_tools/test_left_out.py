"""A test that could not measure a picture ends with an error."""

import sys

import pytest
from mmengine.logging import MessageHub
from tool_modules import load_tool


def run(monkeypatch, *found):
    """``tools/test.py``, whose run left some pictures out."""
    tool = load_tool('test.py')
    monkeypatch.setattr(sys, 'argv', ['test.py', 'config.py', 'none'])
    monkeypatch.setattr(tool, 'prepare', lambda args: None)
    for name in ('check_config', 'use_safe_storage', 'init_distributed'):
        monkeypatch.setattr(tool.apis, name, lambda *args: None)

    def run_test(cfg):
        hub = MessageHub.get_instance('test_left_out')
        hub.update_info('left_out', list(found), resumed=False)

    monkeypatch.setattr(tool.apis, 'run_test', run_test)
    tool.main()


def test_exit_code(monkeypatch):
    run(monkeypatch)
    with pytest.raises(SystemExit, match='2 damaged .* such as a.jpg'):
        run(monkeypatch, 'a.jpg', 'b.jpg')
