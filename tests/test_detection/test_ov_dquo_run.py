"""OV-DQUO in the runner: trained, averaged, resumed, measured, shown."""

import json
import sys

import numpy as np
import pytest
import torch
from det_model import NAMES
from det_world import write_project
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from ov_dquo_model import ov_dquo_cfg
from tool_modules import load_tool

from declip_mm import apis
from declip_mm.checkpoint import describe

pytestmark = pytest.mark.slow
EMA = dict(
    type='EMAHook',
    ema_type='ExponentialMovingAverage',
    momentum=0.4,
    update_buffers=True,
)


def project(folder, lvis=False):
    """A config file with data, class embeddings and an OV-DQUO."""
    path = write_project(folder, lvis)
    cfg = Config.fromfile(path)
    file = cfg.model.embedder.embeddings
    cfg.model = ov_dquo_cfg(
        embedder=dict(embeddings=file, background='background')
    )
    if lvis:
        cfg.train_dataloader.dataset.pipeline[1].with_mask = False
        cfg.train_dataloader.sampler = dict(
            type='RepeatFactorSampler', repeat_thr=1.0
        )
        cfg.test_evaluator.metric = cfg.val_evaluator.metric = 'bbox'
    cfg.custom_hooks = [EMA, *cfg.custom_hooks]
    cfg.randomness = dict(seed=0)
    cfg.dump(str(path))
    return path


def train(path, epochs, resume=None):
    cfg = Config.fromfile(path)
    cfg.train_cfg.update(max_epochs=epochs, val_interval=epochs)
    cfg.load_from, cfg.resume = resume and str(resume), resume is not None
    cfg.work_dir = f'{cfg.work_dir}_{epochs}{bool(resume)}'
    cfg.experiment_name = f'{path.parent.name}{epochs}{bool(resume)}'
    DefaultScope._instance_dict.clear()
    runner = Runner.from_cfg(cfg)
    figures = runner.train() and runner.val_loop.run()
    return runner.work_dir, figures


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    path = project(tmp_path_factory.mktemp('ov_dquo'))
    return path, train(path, 1)[0] + '/epoch_1.pth'


def test_a_resumed_run_equals_an_undisturbed_one(trained):
    path, first = trained
    whole = torch.load(train(path, 2)[0] + '/epoch_2.pth', weights_only=False)
    again = train(path, 2, resume=first)[0] + '/epoch_2.pth'
    again = torch.load(again, weights_only=False)
    for part in ('state_dict', 'ema_state_dict'):
        assert set(whole[part]) == set(again[part])
        for key, value in whole[part].items():
            assert torch.equal(value, again[part][key]), key
    key = 'bbox_head.cls_branches.0.weight'
    # what is measured is the average
    assert not torch.equal(
        whole['state_dict'][key], whole['ema_state_dict'][f'module.{key}']
    )


def test_a_checkpoint_measures_and_says_what_it_is(trained):
    path, checkpoint = trained
    cfg = apis.load_config(path)
    cfg.load_from = checkpoint
    found = apis.run_test(cfg)
    for key in ('coco/novel_ap50', 'coco/base_ap50'):
        assert np.isfinite(found[key])
    assert describe(checkpoint)['consumer'].startswith('an OV-DQUO detector')


def test_lvis_layout_trains_and_measures(tmp_path):
    _, found = train(project(tmp_path, lvis=True), 1)
    assert {'lvis/bbox_APr', 'lvis/bbox_AP'} <= set(found)


def demo(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', ['demo_det', *map(str, arguments)])
    load_tool('demo_det.py').main()


def test_demo_draws_free_names(trained, tmp_path, monkeypatch, capsys):
    path, checkpoint = trained
    picture = next((path.parent / 'data').rglob('1.png'))
    common = (path, checkpoint, picture, '--names', ','.join(NAMES[::-1]))
    common += ('--out', tmp_path, '--score-thr', 0, '--device', 'cpu')
    demo(monkeypatch, *common, '--tau', 20)
    written = json.loads((tmp_path / 'preds/1.json').read_text())
    assert len(written['scores']) == len(written['bboxes']) > 0
    assert (tmp_path / 'vis/1.png').is_file()
    assert any(name in capsys.readouterr().out for name in NAMES)
    with pytest.raises(SystemExit, match="CLIP's alone: --alpha and --beta"):
        demo(monkeypatch, *common, '--alpha', 0.5)


def test_inferencer_takes_other_names(trained):
    path, checkpoint = trained
    detect = apis.DeCLIPDetInferencer(
        str(path), checkpoint, device='cpu', show_progress=False
    )
    assert sorted(detect.model.names) == sorted(NAMES)
    image = np.zeros((80, 96, 3), np.uint8)
    found = detect(image, names=['blue thing', 'red thing'])
    (prediction,) = found['predictions']
    assert set(prediction['names']) <= {'blue thing', 'red thing'}
    assert prediction['names']
