"""The commands in tools/, and what importing the world needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tool_modules import TOOLS, load_tool

import declip_mm.miniature
from declip_mm.miniature.ladder import frame

ROOT = Path(__file__).resolve().parents[2]
SHIMS = sorted(
    path.relative_to(TOOLS).as_posix()
    for pattern in ('miniature/*.py', 'dataset_converters/miniature_*.py')
    for path in TOOLS.glob(pattern)
)


def run(*command, cwd):
    """A process that does not know where the clone is."""
    environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    return subprocess.run(
        [sys.executable, *command],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
    )


def test_no_command_was_lost():
    assert len(SHIMS) == 15


@pytest.mark.parametrize('shim', SHIMS)
def test_a_command_is_one_of_the_package(shim):
    if 'segmentation' in shim:
        pytest.importorskip('mmseg')
    tool = load_tool(shim)
    assert tool.main.__module__.startswith('declip_mm.miniature.')
    source = Path(sys.modules[tool.main.__module__].__file__)
    assert f'tools/{shim}' in source.read_text('utf-8')


@pytest.mark.slow
@pytest.mark.parametrize(
    'command',
    [
        [str(TOOLS / 'miniature/ladder.py'), '--help'],
        ['-m', 'declip_mm.miniature.ladder.run', '--help'],
    ],
)
def test_both_ways_to_call_it(command, tmp_path):
    by_module = command[0] == '-m'
    done = run(*command, cwd=ROOT if by_module else tmp_path)
    assert done.returncode == 0, done.stderr
    for option in ('--table', '--seeds', '--work-dir', '--clip'):
        assert option in done.stdout


@pytest.mark.slow
def test_importing_needs_neither_the_extra_nor_openmmlab(tmp_path):
    """Nor does it, or the core, start a table's one thread."""
    package = Path(declip_mm.miniature.__file__).parent
    names = [
        '.'.join(path.relative_to(ROOT).with_suffix('').parts)
        for path in sorted(package.rglob('*.py'))
        if path.name != '__init__.py'
        # reads the names of mmseg's data sets
        and path.parts[-2:] != ('converters', 'segmentation.py')
    ]
    missing = ['onnx', 'scipy', 'mmcv', 'mmdet', 'mmseg', 'mmpretrain']
    code = (
        'import importlib, os, sys\n'
        f'sys.path.insert(0, {str(ROOT)!r})\n'
        f'sys.modules.update(dict.fromkeys({missing}))\n'
        'import declip_mm\n'
        'assert "declip_mm.miniature" not in sys.modules\n'
        'import declip_mm.apis\n'
        'assert "declip_mm.miniature" not in sys.modules\n'
        'threads = os.environ.get("OMP_NUM_THREADS")\n'
        f'for name in {names}:\n'
        '    importlib.import_module(name)\n'
        'assert os.environ.get("OMP_NUM_THREADS") == threads\n'
        'print(len(declip_mm.miniature.load_pack().classes))\n'
    )
    done = run('-c', code, cwd=tmp_path)
    assert (done.returncode, done.stdout.split()) == (0, ['51']), done.stderr


def test_a_table_asks_for_scipy_before_it_starts(monkeypatch):
    monkeypatch.setattr(frame.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(SystemExit, match='pip install scipy'):
        frame.get_ready()
