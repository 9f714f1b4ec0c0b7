"""Train, kill, resume, measure: whole processes, toy towers."""

import json
import os
import signal
import subprocess
import time

import pytest
import torch
from toy_runs import ENSEMBLE, MEASURE, command, load, run, write_config

from declip_mm.checkpoint import export_backbone

pytestmark = pytest.mark.slow


def test_log_says_what_trains_and_what_was_measured(trained):
    folder, log = trained
    assert 'backbone parameters train' in log
    assert 'random weights' in log
    for word in ('loss_content', 'loss_context', 'eta', 'region/box_macc'):
        assert word in log, word
    assert (folder / 'epoch_3.pth').is_file()


def test_checkpoint_holds_the_mixture_and_the_student(trained):
    folder, _ = trained
    content = load(folder / 'epoch_3.pth')
    assert content['meta']['declip']['affinity'] == 'qq'
    assert content['meta']['declip']['recipe'] == 'toy'
    assert all(k.startswith('backbone.') for k in content['state_dict'])
    student = content['student_state_dict']
    assert set(student) == {
        k[len('backbone.') :] for k in content['state_dict']
    }
    name = 'visual.trunk.blocks.0.mlp.fc2.weight'
    mixed = content['state_dict'][f'backbone.{name}']
    assert not torch.equal(student[name], mixed)
    frozen = 'visual.trunk.pos_embed'
    assert torch.equal(
        student[frozen], content['state_dict'][f'backbone.{frozen}']
    )


def wait_for(path, process, lines):
    """Until the json log has that many training lines."""
    for _ in range(1200):
        found = list(path.glob('*/vis_data/scalars.json'))
        text = found[0].read_text() if found else ''
        if text.count('loss_content') >= lines:
            return
        assert process.poll() is None, 'the run ended before it was killed'
        time.sleep(0.05)
    raise AssertionError('no training line within a minute')


def test_killed_and_resumed_equals_uninterrupted(trained, world, tmp_path):
    whole, _ = trained
    folder = tmp_path / 'killed'
    config = write_config(
        world, folder, **{'default_hooks.logger.interval': 1, **ENSEMBLE}
    )
    env = dict(os.environ, OMP_NUM_THREADS='1')
    process = subprocess.Popen(
        command('train.py', config),
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(folder, process, 8)  # six steps an epoch: within the second
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / 'epoch_3.pth').exists()
    assert 'resume' in run('train.py', config, '--resume')
    one, two = (load(f / 'epoch_3.pth') for f in (whole, folder))
    for part in ('state_dict', 'student_state_dict'):
        assert one[part].keys() == two[part].keys()
        for name, value in one[part].items():
            assert torch.equal(value, two[part][name]), name


def test_exporting_a_file_without_fingerprint_is_refused(tmp_path):
    path = tmp_path / 'plain.pth'
    torch.save(dict(state_dict={'backbone.a': torch.ones(1)}), path)
    with pytest.raises(ValueError, match='no fingerprint'):
        export_backbone(str(path), str(tmp_path / 'out.pth'))


def test_test_tool_measures_what_validation_measured(trained, world, tmp_path):
    folder, _ = trained
    work_dir = tmp_path / 'test'
    config = write_config(world, work_dir, MEASURE)
    run('test.py', config, folder / 'epoch_3.pth')
    (found,) = work_dir.glob('*/*.json')
    tested = json.loads(found.read_text())
    (scalars,) = folder.glob('*/vis_data/scalars.json')
    lines = [json.loads(x) for x in scalars.read_text().splitlines()]
    validated = next(x for x in lines if 'region/box_macc' in x)
    for name in ('region/box_macc', 'region/mask_macc', 'seg/mIoU'):
        assert tested[name] == pytest.approx(validated[name])


def test_a_checkpoint_of_another_affinity_is_refused(trained, world, tmp_path):
    folder, _ = trained
    config = write_config(
        world, tmp_path / 'w', MEASURE, **{'model.backbone.affinity': 'csa'}
    )
    done = subprocess.run(
        command('test.py', config, folder / 'epoch_3.pth'),
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "affinity: file has 'qq', model has 'csa'" in done.stderr
