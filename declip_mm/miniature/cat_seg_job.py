"""One CAT-Seg of the miniature world, and the raw features beside it."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .ladder.report import write_json
from .paths import CONFIGS

CONFIG = CONFIGS / 'cat_seg/miniature.py'
SPLITS = ('val_known', 'val_heldout')


@dataclass(frozen=True)
class CATSegJob:
    """A backbone under a head that is trained, or under none.

    Attributes:
        name: As printed.
        seed: Of the training.
        affinity: Of the backbone.
        weights: Of the backbone; None leaves the tiny CLIP's.
        head: Whether a head is trained; else raw cosines are measured.
        world: Folder of the miniature world.
        data: The world in the layouts of COCO-Stuff and ADE20K.
        folder: Results.
        iters: Of the training.
        images: Test pictures of each split; None takes all.
        mode: Test mode of the segmentor.
    """

    name: str
    seed: int
    affinity: str
    weights: Path | None
    head: bool
    world: Path
    data: Path
    folder: Path
    iters: int
    images: int | None = None
    mode: str = 'whole'

    @property
    def result(self) -> Path:
        return self.folder / 'result.json'

    @property
    def checkpoint(self) -> Path:
        return self.folder / 'cat_seg.pth'

    def done(self) -> bool:
        return self.result.is_file()


def backbone_of(cfg: Config, job: CATSegJob) -> dict:
    backbone = dict(cfg.model.image_encoder, affinity=job.affinity)
    if job.weights is not None:
        backbone['pretrained'] = None
        backbone['init_cfg'] = dict(
            type='Pretrained', checkpoint=str(job.weights), prefix='backbone.'
        )
    return backbone


def job_config(job: CATSegJob) -> Config:
    """The shipped config with the paths of this machine in it."""
    cfg = Config.fromfile(CONFIG)
    cfg.model.image_encoder = backbone_of(cfg, job)
    if job.mode == 'whole':
        cfg.model.test_cfg = dict(mode='whole', crop=168)
    for key in ('train_dataloader', 'test_dataloader'):
        cfg[key].update(num_workers=0, persistent_workers=False)
    train = cfg.train_dataloader.dataset
    train.data_root = str(job.data / 'coco_stuff164k')
    cfg.test_dataloader.dataset.indices = job.images
    use_split(cfg, job, SPLITS[0])
    cfg.train_cfg.max_iters = job.iters
    cfg.param_scheduler[0].update(T_max=job.iters, end=job.iters)
    cfg.randomness = dict(seed=job.seed)
    cfg.default_hooks.checkpoint.interval = job.iters
    # The original's last block is below any floor: that is a row, no error.
    cfg.custom_hooks[1].floor = 0.0
    cfg.work_dir = str(job.folder / 'train')
    return cfg


def use_split(cfg: Config, job: CATSegJob, split: str) -> None:
    root = job.data / split / 'ADEChallengeData2016'
    cfg.test_dataloader.dataset.data_root = str(root)


def run_cat_seg(job: CATSegJob) -> float:
    """Train if there is a head, measure; seconds it took."""
    start = time.time()
    found: dict[str, Any] = {}
    if job.head:
        found = _train_and_measure(job)
    else:
        for split in SPLITS:
            found[split] = _measure_raw(job, split)
    write_json(job.result, found)
    shutil.rmtree(job.folder / 'train', ignore_errors=True)
    return time.time() - start


def _train_and_measure(job: CATSegJob) -> dict[str, Any]:
    from mmengine.runner import Runner

    start = time.time()
    cfg = job_config(job)
    runner = Runner.from_cfg(cfg)
    runner.train()
    found: dict[str, Any] = dict(train_seconds=round(time.time() - start, 1))
    for split in SPLITS:
        use_split(cfg, job, split)
        loader = Runner.build_dataloader(cfg.test_dataloader)
        runner.test_loop.dataloader = loader
        runner.test_loop.evaluator.dataset_meta = loader.dataset.metainfo
        found[split] = _columns(runner.test())
    checkpoint = job.folder / 'train' / f'iter_{job.iters}.pth'
    os.replace(checkpoint, job.checkpoint)
    return found


def _measure_raw(job: CATSegJob, split: str) -> dict[str, float]:
    """Cosines of the features with the names, at the same resolution."""
    from mmengine.runner import Runner

    from .ladder.config import measure_config

    cat_seg = job_config(job)
    backbone = backbone_of(cat_seg, job)
    cfg = measure_config(backbone, job.world, split, 168, job.folder / 'train')
    cfg.model.predictor.regions = ()
    cfg.test_dataloader.dataset.pop('crops')
    cfg.test_dataloader.dataset.indices = job.images
    subsets = cat_seg.test_evaluator.subsets
    cfg.test_evaluator = dict(type='DenseIoUMetric', subsets=subsets)
    runner = Runner.from_cfg(cfg)
    runner.model.backbone.init_weights()
    return _columns(runner.test())


def _columns(found: dict[str, float]) -> dict[str, float]:
    stem = 'seg/'
    return dict(
        novel_miou=found[f'{stem}novel_mIoU'],
        base_miou=found[f'{stem}base_mIoU'],
        miou=found[f'{stem}mIoU'],
    )
