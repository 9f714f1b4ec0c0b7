"""tools/test.py on the six evaluation configs, in their sets' own layouts.

Only the model and ``data_root`` are changed; a checkpoint is read.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from tool_modules import TOOLS

import declip_mm.segmentation  # noqa: F401  (registers the models)

pytestmark = pytest.mark.slow
CONFIGS = TOOLS.parent / 'configs/cat_seg'
SETS = dict(
    ade150='ade/ADEChallengeData2016',
    ade847='ade847',
    context59='VOCdevkit/VOC2010',
    context459='context459',
    pas20='VOCdevkit/VOC2012',
    pas20b='VOCdevkit/VOC2012',
)


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Tiny CLIP and a head without training, as one file."""
    init_default_scope('mmseg')
    model = MODELS.build(Config.fromfile(CONFIGS / 'miniature.py').model)
    model.init_weights()
    path = tmp_path_factory.mktemp('checkpoint') / 'cat_seg.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return path


@pytest.mark.parametrize('name', SETS)
def test_config_runs_on_another_root(name, mini, checkpoint, tmp_path):
    cfg = Config.fromfile(CONFIGS / f'declip_eva02-b16_{name}.py')
    cfg.model = Config.fromfile(CONFIGS / 'miniature.py').model
    config = tmp_path / f'{name}.py'
    cfg.dump(str(config))
    command = [
        *(sys.executable, str(TOOLS / 'test.py'), str(config)),
        *(str(checkpoint), '--work-dir', str(tmp_path)),
        *('--show-dir', str(tmp_path / 'shown'), '--cfg-options'),
        f'test_dataloader.dataset.data_root={mini / SETS[name]}',
        'test_dataloader.num_workers=0',
        'test_dataloader.persistent_workers=False',
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    (figures,) = tmp_path.glob('*/*.json')
    found = json.loads(figures.read_text().splitlines()[-1])
    assert 0 <= found['mIoU'] <= 100
    assert len(list(Path(tmp_path).rglob('*.png'))) >= 2  # painted pictures
