"""The command lines of tools/train.py and tools/test.py."""

import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tool_modules import load_tool
from toy_project import CONFIG

from declip_mm.apis import OptionError, launch

ROOT = Path(__file__).resolve().parents[2]


train, test = load_tool('train.py'), load_tool('test.py')


@pytest.fixture
def config(tmp_path, monkeypatch) -> str:
    monkeypatch.setenv('LOCAL_RANK', '0')
    path = tmp_path / 'toy.py'
    path.write_text(CONFIG)
    return str(path)


def train_config(*args: str):
    return train.prepare(train.parse_args(list(args)))


def test_train_options_reach_the_config(config):
    cfg = train_config(
        config,
        *('--work-dir', 'mine', '--auto-scale-lr', '--cfg-options'),
        *('train_cfg.max_epochs=7', 'model.width=4'),
    )
    assert cfg.work_dir == 'mine'
    assert cfg.auto_scale_lr.enable is True
    assert cfg.train_cfg.max_epochs == 7
    assert cfg.model.width == 4


def test_amp_option(config, monkeypatch):
    monkeypatch.setattr(launch, 'accelerator_available', lambda: True)
    assert train_config(config, '--amp').optim_wrapper.type == launch.MIXED
    assert 'type' not in train_config(config).optim_wrapper


def test_auto_scale_lr_needs_a_base(config):
    text = CONFIG.replace(', base_batch_size=8', '')
    Path(config).write_text(text)
    with pytest.raises(OptionError, match='base_batch_size=N'):
        train_config(config, '--auto-scale-lr')


def test_resume_newest_named_or_none(config, tmp_path, capsys):
    args = [config, '--work-dir', str(tmp_path), '--resume']
    # nothing to resume: the config's own initial weights stay
    Path(config).write_text(CONFIG + "load_from = 'initial.pth'\n")
    cfg = train_config(*args)
    assert (cfg.resume, cfg.load_from) == (False, 'initial.pth')
    assert 'no checkpoint' in capsys.readouterr().err
    saved = tmp_path / 'epoch_1.pth'
    torch.save({}, saved)
    (tmp_path / 'last_checkpoint').write_text(str(saved))
    cfg = train_config(*args)
    assert (cfg.resume, cfg.load_from) == (True, str(saved))
    other = tmp_path / 'other.pth'
    torch.save({}, other)
    cfg = train_config(*args, str(other))
    assert (cfg.resume, cfg.load_from) == (True, str(other))


def test_test_options_reach_the_config(config, tmp_path):
    Path(config).write_text(
        CONFIG.replace(
            'default_hooks = dict(',
            "default_hooks = dict(visualization=dict(type='X', draw=False),",
        )
    )
    weights = tmp_path / 'a.pth'
    torch.save({}, weights)
    args = test.parse_args(
        [config, str(weights), '--out', 'r.pkl', '--show', '--wait-time', '3']
        + ['--show-dir', 'painted']
    )
    cfg = test.prepare(args)
    assert cfg.load_from == str(weights)
    assert cfg.test_evaluator[0].out_file_path == 'r.pkl'
    hook = cfg.default_hooks.visualization
    assert (hook.draw, hook.show, hook.wait_time) == (True, True, 3)
    assert cfg.visualizer.save_dir == 'painted'


@pytest.mark.parametrize(
    'more, said',
    [
        (['missing.pth'], 'no checkpoint file missing.pth'),
        (['none', '--tta'], 'tta_model and tta_pipeline'),
        (['none', '--show'], 'default_hooks.visualization'),
        (['none', '--out', 'r.json'], 'got r.json'),
    ],
)
def test_test_refuses(config, more, said):
    with pytest.raises(OptionError, match=said):
        test.prepare(test.parse_args([config, *more]))


def test_tta_wraps_model_and_swaps_pipeline(config):
    text = "tta_model = dict(type='T')\ntta_pipeline = [dict(type='P')]\n"
    Path(config).write_text(CONFIG + text)
    cfg = test.prepare(test.parse_args([config, 'none', '--tta']))
    assert (cfg.model.type, cfg.model.module.type) == ('T', 'ToyModel')
    assert cfg.test_dataloader.dataset.pipeline[0].type == 'P'


def test_a_refusal_is_one_line_and_no_traceback(config, monkeypatch):
    argv = ['train.py', config, '--cfg-options', 'modle.width=3']
    monkeypatch.setattr(sys, 'argv', argv)
    with pytest.raises(SystemExit) as stop:
        train.main()
    assert str(stop.value).startswith('train.py: --cfg-options modle.width')


# ---- the real thing, in processes of its own ------------------------------


def run(*command: str) -> str:
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    environment = dict(
        os.environ,
        PYTHONPATH=str(ROOT / 'tests'),
        PYTHON=sys.executable,
        OMP_NUM_THREADS='1',
        PORT=str(port),
    )
    environment.pop('LOCAL_RANK', None)
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output


@pytest.mark.slow
def test_train_resume_test_and_two_processes(config, tmp_path):
    def train_tool(*args: str) -> str:
        script = str(ROOT / 'tools' / 'train.py')
        return run(sys.executable, script, config, *args)

    one, two = str(tmp_path / 'one'), str(tmp_path / 'two')
    train_tool('--work-dir', one)
    said = train_tool(
        *('--work-dir', one, '--resume'),
        *('--cfg-options', 'train_cfg.max_epochs=3'),
    )
    assert 'resumed epoch: 2' in said
    results = str(tmp_path / 'r.pkl')
    said = run(
        *(sys.executable, str(ROOT / 'tools' / 'test.py'), config),
        *(f'{one}/epoch_3.pth', '--out', results),
    )
    assert 'mean:' in said
    with open(results, 'rb') as file:
        assert len(pickle.load(file)) == 8
    # two processes with batches of 1 are one process with batches of 2, if
    # each epoch deals the same samples: the data is not shuffled
    run(
        *('bash', str(ROOT / 'tools' / 'dist_train.sh'), config, '2'),
        *('--work-dir', two),
        *('--cfg-options', 'train_dataloader.batch_size=1'),
    )
    single, double = (
        torch.load(f'{folder}/epoch_2.pth', weights_only=False)['state_dict']
        for folder in (one, two)
    )
    for key, value in single.items():
        torch.testing.assert_close(double[key], value, atol=1e-6, rtol=1e-5)
    said = run(
        *('bash', str(ROOT / 'tools' / 'dist_test.sh'), config),
        *(f'{two}/epoch_2.pth', '2', '--work-dir', two),
    )
    assert 'mean:' in said
