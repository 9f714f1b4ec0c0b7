"""A loss that is no number ends a run and leaves the last good weights."""

import subprocess

import pytest
from toy_runs import ENSEMBLE, command, load, write_config

pytestmark = pytest.mark.slow


def test_a_nan_loss_ends_the_run_and_keeps_the_last_checkpoint(
    world, tmp_path
):
    explode = dict(type='MultiStepLR', milestones=[1], gamma=1e35)
    folder = tmp_path / 'nan'
    config = write_config(
        world, folder, **{'param_scheduler': [explode], **ENSEMBLE}
    )
    done = subprocess.run(
        command('train.py', config), capture_output=True, text=True
    )
    assert done.returncode != 0
    said = done.stderr.splitlines()[-1]
    for part in ('train.py: step 8', '(epoch 2): loss', '.png', '--resume'):
        assert part in said, said
    assert str(folder / 'epoch_1.pth') in said
    weights = load(folder / 'epoch_1.pth')['state_dict']
    assert all(v.isfinite().all() for v in weights.values())
    assert not (folder / 'epoch_2.pth').exists()
