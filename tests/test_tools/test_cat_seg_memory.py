"""tools/analysis_tools/cat_seg_memory.py starts a process a measurement."""

import signal
import sys
from types import SimpleNamespace

import pytest
from tool_modules import TOOLS, load_tool

CONFIG = str(TOOLS.parent / 'configs/cat_seg/declip_eva02-b16_ade150.py')


@pytest.mark.parametrize(
    'codes, failed', [((0, 0), False), ((-signal.SIGKILL, 0), True)]
)
def test_a_killed_measurement_is_no_success(codes, failed, monkeypatch):
    tool = load_tool('analysis_tools/cat_seg_memory.py')
    left = list(codes)
    monkeypatch.setattr(
        tool.subprocess,
        'run',
        lambda *_: SimpleNamespace(returncode=left.pop(0)),
    )
    arguments = ['cat_seg_memory.py', CONFIG, '--names', '171', '847']
    monkeypatch.setattr(sys, 'argv', arguments)
    with pytest.raises(SystemExit) as stop:
        tool.main()
    assert bool(stop.value.code) == failed and not left
