"""Three kills of a whole run, and what is left of it."""

import json
import os
import subprocess
import sys

import pytest
import torch
from tool_modules import TOOLS, load_tool
from toy_runs import ENSEMBLE, write_config

pytestmark = pytest.mark.slow
SOAK = TOOLS / 'misc/soak.py'


def test_three_kills(world, tmp_path):
    config = write_config(world, tmp_path / 'config', **ENSEMBLE)
    folder = tmp_path / 'soak'
    done = subprocess.run(
        [sys.executable, str(SOAK), str(config), '--kills', '3']
        + ['--work-dir', str(folder), '--seed', '3'],
        capture_output=True,
        text=True,
        env=dict(os.environ, OMP_NUM_THREADS='1'),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads((folder / 'soak.json').read_text())
    assert figures['kills'] == 3 and figures['epochs'] == 3
    assert figures['tensors'] > 100
    assert 'bit by bit' in done.stdout


def test_a_difference_is_found():
    soak = load_tool('misc/soak.py')
    one = dict(a=[dict(b=torch.zeros(2))], c=1)
    two = dict(a=[dict(b=torch.tensor([0.0, 1e-30]))], c=1)
    assert soak.differences(one, two, 'x') == ['x.a.0.b']
    assert soak.differences(one, dict(one, c=2), 'x') == ['x.c']
    assert soak.differences(one, one) == []
