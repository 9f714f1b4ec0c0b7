"""The recordings of the authors' code, through the shipped tool."""

import runpy
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/analysis_tools/check_golden.py'
FILES = sorted((ROOT / 'tests/data/golden').glob('*.npz'))


@pytest.fixture(scope='module')
def main():
    return runpy.run_path(str(TOOL))['main']


@pytest.mark.parametrize('file', FILES, ids=lambda f: f.stem)
def test_recording(main, file, capsys):
    assert main([str(file)]) == 0
    assert 'ok' in capsys.readouterr().out


def test_a_wrong_recording_is_noticed(main, tmp_path, capsys):
    source = next(f for f in FILES if f.name.startswith('eva_forward_64'))
    data = dict(np.load(source))
    data['out/content_csa'] = data['out/content_csa'] * 1.001
    wrong = tmp_path / 'eva_wrong.npz'
    np.savez(wrong, **data)
    assert main([str(wrong)]) == 1
    assert 'worst out/content_csa' in capsys.readouterr().out
    data = dict(np.load(source))
    data['out/cls'] = data['out/cls'] * np.nan  # after errors that are small
    np.savez(wrong, **data)
    assert main([str(wrong)]) == 1
    assert 'worst out/cls nan' in capsys.readouterr().out
