"""What the installation script says when something is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def shell(script: str, path: str | None = None, **env: str):
    """Runs bash with tools/env.sh sourced."""
    source = f'set -u; source "{ROOT}/tools/env.sh"; {script}'
    environment = {**os.environ, **env}
    if path is not None:
        environment['PATH'] = path
    return subprocess.run(
        ['/bin/bash', '-c', source],
        env=environment,
        capture_output=True,
        text=True,
    )


def fake(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f'#!/bin/sh\n{script}\n')
    path.chmod(0o755)


@pytest.mark.parametrize('path', sorted(ROOT.glob('tools/*.sh')), ids=str)
def test_shell_scripts_parse(path):
    subprocess.run(['/bin/bash', '-n', path], check=True)


def test_missing_compiler_is_one_clear_line(tmp_path):
    for tool in ('dirname', 'cat'):
        fake(tmp_path, tool, f'exec /usr/bin/{tool} "$@"')
    done = shell(
        f'declip_check_compiler {sys.executable}', str(tmp_path), CXX='g++'
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert 'no C++ compiler (g++)' in done.stderr
    assert 'apt-get install g++' in done.stderr


def test_missing_headers_are_one_clear_line(tmp_path):
    fake(tmp_path, 'g++', 'exit 0')
    fake(
        tmp_path,
        'python',
        'case "$2" in *sysconfig*) echo /no/include;; *) echo 3.11;; esac',
    )
    path = f'{tmp_path}:{os.environ["PATH"]}'
    done = shell(f'declip_check_compiler {tmp_path}/python', path, CXX='g++')
    assert done.returncode == 1
    assert 'no Python headers (/no/include/Python.h)' in done.stderr
    assert 'python3.11-dev' in done.stderr


def test_wrong_python_is_refused_and_named(tmp_path):
    fake(tmp_path, 'python3', 'echo 3.9')
    fake(tmp_path, 'dirname', 'exec /usr/bin/dirname "$@"')
    done = shell('declip_find_python', str(tmp_path), PYTHON='')
    assert done.returncode == 1
    assert 'no usable Python 3.10, 3.11 or 3.12' in done.stderr
    assert 'python3=3.9' in done.stderr


def test_python_without_venv_is_named(tmp_path):
    fake(tmp_path, 'p', 'case "$2" in *venv*) exit 1;; *) echo 3.12;; esac')
    done = shell('declip_find_python', PYTHON=f'{tmp_path}/p')
    assert 'install python3.12-venv' in done.stderr


def test_full_disk_is_one_clear_line(tmp_path):
    fake(tmp_path, 'df', 'echo head; echo "/dev/x 9 9 3145728 9% /"')
    path = f'{tmp_path}:{os.environ["PATH"]}'
    done = shell(f'declip_check_disk {tmp_path} 12', path)
    assert done.returncode == 1
    assert f'{tmp_path} has 3 GB free' in done.stderr
    assert 'needs 12 GB' in done.stderr
    assert shell(f'declip_check_disk {tmp_path} 2', path).returncode == 0


@pytest.mark.parametrize(
    'log, said',
    [
        ('OSError: [Errno 28] No space left on device', 'disk is full'),
        (
            'NewConnectionError: ...\nERROR: No matching distribution found '
            'for torch==2.12.1',
            'registry cannot be reached',
        ),
        (
            'ERROR: No matching distribution found for timm==9',
            'has no timm==9',
        ),
        (
            "x.cpp:3: error: no member 'y'\nerror: command '/usr/bin/g++' "
            'failed with exit code 1',
            "no member 'y'",
        ),
        ('ERROR: something new', 'pip failed: ERROR: something new'),
    ],
)
def test_a_failed_installation_is_explained(tmp_path, log, said):
    (tmp_path / 'log').write_text(log)
    done = shell(
        f'DECLIP_PYTHON={sys.executable}; declip_explain {tmp_path}/log'
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr


@pytest.mark.parametrize(
    'line, met',
    [('pytest>=1  # reason', True), ('pytest>=999', False), ('nosuch', False)],
)
def test_satisfied_asks_the_environment(tmp_path, line, met):
    (tmp_path / 'r.txt').write_text(f'# comment\n{line}\n')
    done = shell(
        f'DECLIP_PYTHON={sys.executable}; declip_satisfied {tmp_path}/r.txt'
    )
    assert (done.returncode == 0) is met


@pytest.mark.parametrize(
    'ending, said',
    [('kill -TERM $$', 'stopped from outside'), ('exit 1', 'pip failed')],
)
def test_a_step_that_ends_badly_says_so(tmp_path, ending, said):
    fake(tmp_path, 'python', ending)
    done = shell(
        f'DECLIP_VENV={tmp_path}; DECLIP_PYTHON={tmp_path}/python; '
        'declip_step title package'
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert 'title' in done.stdout


def test_unknown_mode_is_refused():
    done = shell('declip_env all')
    assert done.returncode == 1
    assert "got 'all', allowed are core and full" in done.stderr
