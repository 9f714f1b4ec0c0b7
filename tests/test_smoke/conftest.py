"""One uninterrupted run for all smoke tests."""

import pytest
from toy_runs import ENSEMBLE, run, write_config
from toy_world import make_clip, make_pictures


@pytest.fixture(scope='session')
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp('world')
    make_pictures(root / 'train', 12)
    make_pictures(root / 'val', 4, seed=1)
    make_clip(root / 'clip.safetensors')
    return root


@pytest.fixture(scope='session')
def trained(world, tmp_path_factory):
    """An uninterrupted run with a weight ensemble."""
    folder = tmp_path_factory.mktemp('run') / 'whole'
    config = write_config(world, folder, **ENSEMBLE)
    return folder, run('train.py', config)


@pytest.fixture(scope='session')
def exported(trained):
    folder, _ = trained
    out = folder / 'exported.pth'
    run('model_converters/export_backbone.py', folder / 'epoch_3.pth', out)
    return out
