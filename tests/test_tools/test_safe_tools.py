"""Every tool that runs a Runner reads its checkpoint as plain weights."""

import sys
from types import SimpleNamespace

import pytest
import torch
from mmengine.fileio import LocalBackend, register_backend
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_from_local
from tool_modules import TOOLS, load_tool

from declip_mm.apis import launch

CONFIGS = TOOLS.parent / 'configs'


class Stop(Exception):
    """Instead of a run."""


@pytest.fixture(autouse=True)
def _own_loaders():
    CheckpointLoader.register_scheme('', load_from_local, force=True)
    yield
    register_backend('local', LocalBackend, force=True, prefixes='')
    CheckpointLoader.register_scheme('', load_from_local, force=True)


def stop(*_, **__):
    raise Stop


@pytest.mark.parametrize(
    'name', ['analysis_tools/sweep_fusion', 'dataset_converters/proposals']
)
def test_detector_tools(name, tmp_path, monkeypatch):
    tool = load_tool(f'{name}.py')
    monkeypatch.setattr(launch, 'build_runner', stop)
    torch.save({}, tmp_path / 'w.pth')
    config, weights = CONFIGS / 'miniature/f_vit_coco.py', tmp_path / 'w.pth'
    args = [str(config), str(weights), str(tmp_path / 'a.json')]
    with pytest.raises(Stop):
        if 'sweep' in name:
            tool.dump(
                SimpleNamespace(
                    config=args[0],
                    checkpoint=args[1],
                    out='a.npz',
                    split='test',
                    cfg_options=None,
                )
            )
        else:
            monkeypatch.setattr(sys, 'argv', ['proposals.py', *args])
            tool.main()
    assert CheckpointLoader._get_checkpoint_loader('a') is not load_from_local


def test_segmentation_benchmarks(tmp_path, monkeypatch):
    tool = load_tool('dense_seg_benchmarks.py')
    monkeypatch.setattr(launch, 'run_test', stop)
    method = CONFIGS / 'dense_seg/methods/clearclip_openai-b16.py'
    rest = ['none', '--sets', 'voc20', '--work-dir', str(tmp_path)]
    with pytest.raises(Stop):
        tool.main([str(method), *rest])
    assert CheckpointLoader._get_checkpoint_loader('a') is not load_from_local
