"""Whole runs of the command-line tools on the toy world."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from mmengine.config import Config
from toy_world import toy_options

ROOT = Path(__file__).parents[1]
PRETUNE = ROOT / 'configs/miniature/pretune.py'
MEASURE = ROOT / 'configs/miniature/region_cls.py'

ENSEMBLE = {
    'custom_hooks': [
        dict(type='EpochSyncHook'),
        dict(type='DamagedImagesHook'),
        dict(type='VocabularyHook'),
        dict(type='WeightEnsembleHook', ensemble_alpha=0.7),
        dict(type='FingerprintHook', recipe='toy'),
    ]
}


def write_config(world, work_dir, source=PRETUNE, **more):
    cfg = Config.fromfile(source)
    options = toy_options(world, work_dir)
    if source != PRETUNE:
        drop = ('train', 'val_dataloader', 'model.co')
        options = {k: v for k, v in options.items() if not k.startswith(drop)}
    cfg.merge_from_dict({**options, **more})
    path = work_dir / 'config.py'
    work_dir.mkdir(parents=True)
    cfg.dump(str(path))
    return path


def command(tool, *arguments):
    return [sys.executable, str(ROOT / 'tools' / tool), *map(str, arguments)]


def run(tool, *arguments):
    env = dict(os.environ, OMP_NUM_THREADS='1')
    done = subprocess.run(
        command(tool, *arguments), capture_output=True, text=True, env=env
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def load(path):
    return torch.load(path, map_location='cpu', weights_only=False)
