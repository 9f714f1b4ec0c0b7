"""What the benchmarks of inference say, on tiny networks."""

import json
import runpy
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS
from tiny import tiny_eva, tiny_openai

from declip_mm.benchmark.windows import time_windows

FOLDER = Path(__file__).parents[2] / 'benchmarks'
TINY = 'declip_mm://miniature/tiny_clip.json'


def load(name):
    return runpy.run_path(str(FOLDER / f'{name}.py'))


@pytest.mark.parametrize('model', [tiny_eva, tiny_openai])
def test_memory_of_dense_features_grows_with_the_tokens(model):
    """A matrix of N x N would be sixteen times as large."""
    tool = load('dense_memory')
    backbone = tool['build'](model(), None, 'cpu')
    rows = [
        dict(tokens=n * n, bytes=tool['dense_bytes'](backbone, 16 * n))
        for n in (16, 32, 64)
    ]
    assert rows[1]['bytes'] < 5 * rows[0]['bytes']
    assert rows[2]['bytes'] < 5 * rows[1]['bytes']
    assert tool['fit'](rows)['largest_error'] < 0.2


def test_fewer_layers_need_no_less():
    tool = load('dense_memory')
    peaks = [
        tool['dense_bytes'](tool['build'](tiny_openai(), layers, 'cpu'), 256)
        for layers in (2, 4)
    ]
    assert peaks[1] == pytest.approx(peaks[0], rel=0.05)


def test_windows_and_one_pass():
    backbone = MODELS.build(dict(type='DeCLIPViT', model=TINY)).eval()
    said = time_windows(
        backbone, torch.device('cpu'), 1, (112, 168), window=84, stride=28
    )
    assert said['windows'] == 2 * 4
    assert set(said['ratios']) == {'batched', 'one_pass'}
    wanted = said['seconds']['loop'][0] / said['seconds']['one_pass'][0]
    assert said['ratios']['one_pass'] == pytest.approx(wanted)
    assert said['ratio'] == said['ratios']['batched']


def test_what_names_cost(tmp_path):
    tool, out = load('names_cost'), tmp_path / 'a.json'
    given = ['--model', TINY, '--size', '112', '--names', '30', '--photo']
    given += ['200', '300', '--repeats', '1', '--out', str(out)]
    assert tool['main'](given) == 0
    said = json.loads(out.read_text())
    assert set(said['shares']) == {'patch_grid', 'pixels', 'photo'}
    assert all(share > 0 for share in said['shares'].values())
