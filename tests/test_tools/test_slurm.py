"""The Slurm scripts, with a stand-in for srun."""

import os
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@pytest.fixture
def srun(tmp_path):
    """Prints the command line that it got, an argument a line."""
    path = tmp_path / 'srun'
    path.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    path.chmod(0o755)

    def run(script, *args, **variables):
        search = f'{tmp_path}{os.pathsep}{os.environ["PATH"]}'
        env = dict(os.environ, PATH=search, PYTHON='py', **variables)
        return subprocess.run(
            ['bash', str(TOOLS / script), *args],
            env=env,
            capture_output=True,
            text=True,
        )

    return run


def test_train(srun):
    done = srun(
        *('slurm_train.sh', 'gpu', 'my job', 'a.py', '--amp'),
        GPUS='4',
        SRUN_ARGS='--time=1:00 --quiet',
    )
    args = done.stdout.splitlines()
    assert done.returncode == 0
    for wanted in ('--job-name=my job', '--gres=gpu:4', '--ntasks=4'):
        assert wanted in args
    assert {'--ntasks-per-node=4', '--time=1:00', '--quiet'} <= set(args)
    tail = [str(TOOLS / 'train.py'), 'a.py', '--launcher', 'slurm', '--amp']
    assert args[-7:] == ['py', '-u', *tail]


def test_test(srun):
    done = srun('slurm_test.sh', 'gpu', 'job', 'a.py', 'b.pth', GPUS='16')
    args = done.stdout.splitlines()
    assert {'--ntasks=16', '--ntasks-per-node=8', '--gres=gpu:8'} <= set(args)
    tail = [str(TOOLS / 'test.py'), 'a.py', 'b.pth', '--launcher', 'slurm']
    assert args[-5:] == tail


@pytest.mark.parametrize(
    'script, given', [('slurm_train.sh', 2), ('slurm_test.sh', 3)]
)
def test_too_few_arguments(srun, script, given):
    done = srun(script, *['x'] * given)
    assert done.returncode == 2
    assert 'usage:' in done.stderr
