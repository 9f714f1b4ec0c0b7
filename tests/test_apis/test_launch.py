"""Config loading, mixed precision and resuming, without a Runner."""

import pytest
import torch
from mmengine.config import Config

from declip_mm import apis
from declip_mm.apis import launch


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'toy.py'
    path.write_text("model = dict(type='Toy', depth=2)\n")
    return path


def test_work_dir_command_line_then_config_then_name(config):
    path = str(config)
    assert apis.load_config(path).work_dir == 'work_dirs/toy'
    config.write_text("work_dir = 'mine'\n")
    assert apis.load_config(path).work_dir == 'mine'
    assert apis.load_config(path, work_dir='other').work_dir == 'other'


def test_options_are_merged_and_new_ones_only_on_request(config):
    cfg = apis.load_config(str(config), {'model.depth': 5})
    assert cfg.model.depth == 5
    with pytest.raises(apis.OptionError, match='--allow-new-options'):
        apis.load_config(str(config), {'colour': 1})
    cfg = apis.load_config(str(config), {'colour': 1}, allow_new_options=True)
    assert cfg.colour == 1


def test_missing_config_names_its_neighbours(config):
    with pytest.raises(apis.OptionError, match='has toy.py'):
        apis.load_config(str(config.parent / 'tyo.py'))
    with pytest.raises(apis.OptionError, match='does not exist either'):
        apis.load_config(str(config.parent / 'nowhere' / 'toy.py'))


def test_missing_checkpoint_names_its_neighbours(tmp_path):
    (tmp_path / 'epoch_3.pth').touch()
    with pytest.raises(apis.OptionError, match='has epoch_3.pth'):
        apis.check_checkpoint(str(tmp_path / 'epoch_4.pth'))
    assert apis.check_checkpoint('s3://bucket/x.pth') == 's3://bucket/x.pth'


def amp_config(**kwargs):
    return Config(dict(optim_wrapper=dict(optimizer=dict(), **kwargs)))


def test_amp_on_and_off(monkeypatch):
    monkeypatch.setattr(launch, 'accelerator_available', lambda: True)
    cfg = amp_config()
    apis.switch_amp(cfg, None)
    assert 'type' not in cfg.optim_wrapper
    apis.switch_amp(cfg, True)
    assert cfg.optim_wrapper.type == 'MixedOptimWrapper'
    cfg.optim_wrapper.dtype = 'float16'
    apis.switch_amp(cfg, True)
    assert cfg.optim_wrapper.dtype == 'float16'
    apis.switch_amp(cfg, False)
    assert cfg.optim_wrapper.type == 'OptimWrapper'
    assert 'dtype' not in cfg.optim_wrapper
    with pytest.raises(apis.OptionError, match="got optim_wrapper.type='Own'"):
        apis.switch_amp(amp_config(type='Own'), True)
    mmengines = amp_config(type='AmpOptimWrapper', loss_scale=512.0)
    for wanted in (None, True):
        apis.switch_amp(mmengines, wanted)
        assert mmengines.optim_wrapper.type == 'AmpOptimWrapper'
        assert mmengines.optim_wrapper.loss_scale == 512.0


def test_without_a_gpu_training_is_in_float32(monkeypatch, capsys):
    monkeypatch.setattr(launch, 'accelerator_available', lambda: False)
    cfg = amp_config(type='AmpOptimWrapper', loss_scale='dynamic')
    apis.switch_amp(cfg, None)
    assert cfg.optim_wrapper.type == 'OptimWrapper'
    assert 'loss_scale' not in cfg.optim_wrapper
    assert 'training is in float32' in capsys.readouterr().out
    cfg = amp_config(type='MixedOptimWrapper')
    apis.switch_amp(cfg, None)  # finds out by itself
    assert cfg.optim_wrapper.type == 'MixedOptimWrapper'
    with pytest.raises(apis.OptionError, match='drop --amp'):
        apis.switch_amp(cfg, True)


def test_resume_point(tmp_path):
    assert apis.find_resume_point(str(tmp_path)) is None
    note = tmp_path / 'last_checkpoint'
    note.write_text(str(tmp_path / 'old' / 'epoch_1.pth'))
    with pytest.raises(apis.OptionError, match='which is gone'):
        apis.find_resume_point(str(tmp_path))
    # the work folder was moved: the file lies beside the note
    moved = tmp_path / 'epoch_1.pth'
    torch.save({}, moved)
    assert apis.find_resume_point(str(tmp_path)) == str(moved)
    # it was copied: the old place is still there, and goes on by itself
    (tmp_path / 'old').mkdir()
    torch.save({}, tmp_path / 'old' / 'epoch_1.pth')
    assert apis.find_resume_point(str(tmp_path)) == str(moved)
    moved.unlink()  # checkpoints that are kept elsewhere
    elsewhere = str(tmp_path / 'old' / 'epoch_1.pth')
    assert apis.find_resume_point(str(tmp_path)) == elsewhere


def test_launcher_without_torchrun_is_refused(monkeypatch):
    monkeypatch.delenv('RANK', raising=False)
    with pytest.raises(apis.OptionError, match='dist_train.sh'):
        apis.init_distributed(Config(dict()), 'pytorch')


def test_gloo_on_cpu(monkeypatch, tmp_path):
    monkeypatch.setattr(launch, 'accelerator_available', lambda: False)
    for key, value in dict(
        RANK='0',
        WORLD_SIZE='1',
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT='29571',
    ).items():
        monkeypatch.setenv(key, value)
    cfg = Config(dict(find_unused_parameters=True))
    try:
        apis.init_distributed(cfg, 'pytorch')
        assert torch.distributed.get_backend() == 'gloo'
    finally:
        apis.leave_distributed()
    assert not torch.distributed.is_initialized()
    assert cfg.model_wrapper_cfg.to_dict() == dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=True,
    )


@pytest.mark.parametrize('launcher', ['slurm', 'mpi'])
def test_other_launchers_need_a_gpu(monkeypatch, launcher):
    monkeypatch.setattr(launch, 'accelerator_available', lambda: False)
    with pytest.raises(apis.OptionError, match='needs a GPU'):
        apis.init_distributed(Config(dict()), launcher)


def test_figures_are_kept_until_something_changes(tmp_path, monkeypatch):
    runs, damaged = [], []
    monkeypatch.setattr(launch, 'left_out_of_test', lambda: damaged)
    monkeypatch.setattr(
        launch, 'run_test', lambda cfg: runs.append(cfg.x) or dict(mIoU=cfg.x)
    )

    def measure(x):
        path = tmp_path / 'deep' / 'point.json'
        return launch.measure_or_keep(Config(dict(x=x)), path, size=7)

    first, second = measure(1), measure(1)
    assert 'kept' not in first and second == dict(first, kept=True)
    assert (first['metrics'], first['size']) == (dict(mIoU=1.0), 7)
    assert measure(2)['metrics'] == dict(mIoU=2.0)
    # figures without damaged pictures are measured anew
    damaged.append('a.jpg')
    assert 'kept' not in measure(3) and 'kept' not in measure(3)
    assert runs == [1, 2, 3, 3]
