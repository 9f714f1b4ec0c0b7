"""Memory of the context loss grows with N, that of the plain one with N^2."""

import json
import runpy
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / 'benchmarks/context_memory.py'


@pytest.fixture(scope='module')
def tool():
    return runpy.run_path(str(TOOL))


@pytest.mark.parametrize('tensors', [1, 2])
def test_four_times_the_tokens(tool, tensors):
    small, large = (
        tool['measure'](g, chunk=32, tensors=tensors, repeats=1, width=16)
        for g in (16, 32)
    )
    assert large['tokens'] == 4 * small['tokens']
    assert large['chunked_mib'] / small['chunked_mib'] < 5
    assert large['plain_mib'] / small['plain_mib'] > 12
    for row in (small, large):
        assert row['value_error'] < 1e-5
        assert row['gradient_error'] < 1e-4


def test_writes_table_figures_and_picture(tool, tmp_path):
    out = tmp_path / 'sub' / 'memory'
    options = ['--grids', '4', '6', '--chunk', '8', '--out', str(out)]
    options += ['--repeats', '1']
    assert tool['main'](options) == 0
    rows = json.loads(out.with_suffix('.json').read_text())['rows']
    assert [row['tokens'] for row in rows] == [16, 36] * 2
    assert [row['affinity'] for row in rows] == ['qq'] * 2 + ['csa'] * 2
    assert '| 36 |' in out.with_suffix('.md').read_text()
    assert out.with_suffix('.png').read_bytes().startswith(b'\x89PNG')
