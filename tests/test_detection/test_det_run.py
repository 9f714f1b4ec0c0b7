"""A whole run: train, measure, sweep, propose, detect; COCO and LVIS."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from det_model import NAMES
from det_world import write_project
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image
from tool_modules import TOOLS, load_tool

from declip_mm import apis
from declip_mm.datasets.proposals import read_proposals

pytestmark = pytest.mark.slow


def call(name, monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
    load_tool(f'{name}.py').main()


@pytest.fixture(scope='module', params=['coco', 'lvis'])
def project(request, tmp_path_factory):
    """(config file, checkpoint, validation figures)."""
    folder = tmp_path_factory.mktemp(request.param)
    config = write_project(folder, request.param == 'lvis')
    runner = Runner.from_cfg(Config.fromfile(config))
    runner.train()
    return config, folder / 'work/epoch_1.pth'


def test_a_checkpoint_measures(project):
    config, checkpoint = project
    cfg = apis.load_config(config)
    cfg.load_from = str(checkpoint)
    found = apis.run_test(cfg)
    lvis = 'lvis/segm_APr' in found
    keys = ['coco/novel_ap50', 'coco/base_ap50']
    if lvis:
        keys = [f'lvis/{k}_AP{g}' for k in ('bbox', 'segm') for g in 'rcf']
    assert all(np.isfinite(found[key]) for key in keys)


def test_a_half_checkpoint_is_not_measured(project, tmp_path):
    """mmengine would log what is missing, and measure a random neck."""
    config, checkpoint = project
    content = torch.load(checkpoint, weights_only=False)
    state = content['state_dict']
    lost = [k for k in state if k.startswith('neck.')]
    for key in lost:
        del state[key]
    torch.save(content, tmp_path / 'half.pth')
    cfg = apis.load_config(config)
    cfg.load_from = str(tmp_path / 'half.pth')
    with pytest.raises(ValueError, match=f'all {len(lost)} of neck'):
        apis.run_test(cfg)


def test_checkpoint_says_what_it_is(project):
    content = torch.load(project[1], weights_only=False)
    meta = content['meta']
    assert meta['declip']['recipe'] == 'f_vit'
    assert set(meta['dataset_meta']['novel_classes']) == {'blue thing'}
    assert not any('embeddings' in key for key in content['state_dict'])


def test_sweep_gives_the_figures_of_the_test(project, tmp_path, monkeypatch):
    config, checkpoint = project
    dumped, out = tmp_path / 'scores.npz', tmp_path / 'sweep'
    call(
        'analysis_tools/sweep_fusion',
        monkeypatch,
        *('dump', config, checkpoint, dumped),
    )
    call(
        'analysis_tools/sweep_fusion',
        monkeypatch,
        *('sweep', dumped, '--beta', 0, 0.8, '--tau', 45, 20),
        *('--out', out),
    )
    rows = json.loads((out / 'sweep.json').read_text())['rows']
    assert len(rows) == 4
    assert len((out / 'sweep.md').read_text().splitlines()) == 6
    assert Image.open(out / 'sweep.png').width > 300
    cfg = apis.load_config(config)
    cfg.load_from = str(checkpoint)
    measured = apis.run_test(cfg)
    (row,) = [r for r in rows if r['beta'] == 0.8 and r['tau'] == 45]
    if 'novel_AP' in row:
        assert row['novel_AP'] == pytest.approx(
            100 * measured['lvis/bbox_APr'], abs=0.02
        )
        assert row['all_AP'] == pytest.approx(
            100 * measured['lvis/bbox_AP'], abs=0.02
        )
    else:
        for group in ('novel', 'base'):
            assert row[f'{group}_AP50'] == pytest.approx(
                100 * measured[f'coco/{group}_ap50'], abs=0.01
            )


def test_wrong_sweeps_are_refused(tmp_path, monkeypatch):
    name = 'analysis_tools/sweep_fusion'
    with pytest.raises(SystemExit, match='dump'):
        call(name, monkeypatch, 'sweep', tmp_path / 'none.npz')
    from declip_mm.detection.sweep import grid

    with pytest.raises(ValueError, match='exponents'):
        grid([0.1], [1.5], [45])
    assert len(grid([0.1, 0.2], [0.5], [45, 60, 75])) == 6


def test_proposals_can_be_distilled_from(project, tmp_path, monkeypatch):
    config, checkpoint = project
    out = tmp_path / 'proposals.json'
    call(
        'dataset_converters/proposals',
        monkeypatch,
        *(config, checkpoint, out, '--min-score', 0, '--max-per-image', 4),
    )
    root = config.parent / 'data'
    images = read_proposals(out, (1, 1e9), root)
    # all pictures, labelled or not, in their sub-folder
    folder = 'val2017/' if (root / 'val2017').is_dir() else ''
    names = [i['file_name'] for i in images]
    assert names == [f'{folder}{n}.png' for n in (1, 2, 3)]
    assert all(1 <= len(i['boxes']) <= 4 for i in images)
    content = json.loads(out.read_text())
    boxes = np.array([a['bbox'] for a in content['annotations']])
    assert (boxes[:, 0] + boxes[:, 2] <= 96.1).all()
    assert (boxes[:, 1] + boxes[:, 3] <= 80.1).all()


def test_demo_draws_and_writes(project, tmp_path, monkeypatch, capsys):
    config, checkpoint = project
    picture = next((config.parent / 'data').rglob('1.png'))
    call(
        'demo_det',
        monkeypatch,
        *(config, checkpoint, picture, '--names', ','.join(NAMES[::-1])),
        *('--out', tmp_path, '--score-thr', 0, '--device', 'cpu'),
    )
    drawn = np.asarray(Image.open(tmp_path / 'vis/1.png'))
    assert (drawn != np.asarray(Image.open(picture))).any()
    written = json.loads((tmp_path / 'preds/1.json').read_text())
    assert len(written['scores']) == len(written['bboxes']) > 0
    printed = capsys.readouterr().out
    assert any(name in printed for name in NAMES)


def test_demo_refuses_what_is_not_there(project, tmp_path, monkeypatch):
    config, checkpoint = map(str, project)
    with pytest.raises(SystemExit, match='no picture'):
        call('demo_det', monkeypatch, config, checkpoint, tmp_path / 'a')
    Image.new('RGB', (8, 8)).save(tmp_path / 'a.png')
    with pytest.raises(SystemExit, match='no config'):
        call('demo_det', monkeypatch, 'none.py', 'none.pth', tmp_path)


def test_inferencer_takes_other_names(project):
    config, checkpoint = project
    detect = apis.DeCLIPDetInferencer(
        str(config), str(checkpoint), device='cpu', show_progress=False
    )
    model = detect.model
    assert sorted(model.names) == sorted(NAMES)
    # as in training: the blue thing is novel
    assert model.roi_head.is_base.sum() == 3
    image = np.zeros((80, 96, 3), np.uint8)
    found = detect(image, names=['blue thing', 'red thing'])
    (prediction,) = found['predictions']
    assert set(prediction['names']) <= {'blue thing', 'red thing'}
    assert model.roi_head.is_base.tolist() == [False, True, True]
    with pytest.raises(ValueError, match='zebra'):
        detect(image, names='zebra')


def test_the_command_line_does_without_mmdet():
    """apis offers the inferencer, yet imports mmdet only for it."""
    code = (
        'import sys, declip_mm.apis as apis\n'
        "assert 'mmdet' not in sys.modules\n"
        "assert 'DeCLIPDetInferencer' in apis.__all__\n"
        'apis.DeCLIPDetInferencer\n'
        "assert 'mmdet' in sys.modules\n"
    )
    subprocess.run([sys.executable, '-c', code], check=True, cwd=TOOLS.parent)
