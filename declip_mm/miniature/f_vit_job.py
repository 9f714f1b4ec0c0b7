"""One detector of the miniature world: train, fuse, measure."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .ladder.report import write_json
from .paths import CONFIGS

CONFIG = CONFIGS / 'miniature/f_vit_coco.py'
TUNE = 'tune_known'
#: What is tried on the tune split: alpha, beta, tau (20 to 90 at full size,
#: where cosines are multiplied by 100 and not by 15).
ALPHAS, BETAS, TAUS = (0.1, 0.3, 0.5), (0.3, 0.5, 0.7, 0.9), (4, 8, 15)


@dataclass(frozen=True)
class DetectorJob:
    """A detector on a backbone.

    Attributes:
        name: As printed.
        seed: Of the training.
        affinity: Of the backbone.
        weights: Of the backbone; None leaves the config's.
        world: Folder of the miniature world.
        folder: Results.
        epochs: Of the training.
        splits: To measure.
    """

    name: str
    seed: int
    affinity: str
    weights: Path | None
    world: Path
    folder: Path
    epochs: int
    splits: tuple[str, ...]

    @property
    def result(self) -> Path:
        return self.folder / 'result.json'

    @property
    def fusion(self) -> Path:
        """What seed 0 chose, for all seeds of the row."""
        return self.folder.parent / 'fusion.json'

    def done(self) -> bool:
        return self.result.is_file()


def detector_config(job: DetectorJob) -> Config:
    """The shipped config with the paths of this machine in it."""
    cfg = Config.fromfile(CONFIG)
    backbone = cfg.model.backbone
    backbone.affinity = job.affinity
    decoupled = job.affinity not in ('vanilla', 'maskclip')
    backbone.last_tap = 'decoupled' if decoupled else job.affinity
    if job.weights is not None:
        backbone.pretrained = None
        backbone.init_cfg = dict(
            type='Pretrained', checkpoint=str(job.weights), prefix='backbone.'
        )
    for key in ('train_dataloader', 'test_dataloader'):
        cfg[key].update(num_workers=0, persistent_workers=False)
        cfg[key].dataset.data_root = str(job.world)
    for key in ('val_dataloader', 'val_evaluator', 'val_cfg'):
        cfg[key] = None
    cfg.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=job.epochs)
    cfg.param_scheduler[1].update(T_max=job.epochs, end=job.epochs)
    cfg.randomness = dict(seed=job.seed)
    cfg.default_hooks.checkpoint = dict(
        type='CheckpointHook', interval=job.epochs, save_optimizer=False
    )
    use_split(cfg, job.world, TUNE)
    cfg.work_dir = str(job.folder / 'train')
    return cfg


def use_split(cfg: Config, world: Path, split: str) -> None:
    path = f'detection/coco/{split}.json'
    cfg.test_dataloader.dataset.ann_file = path
    cfg.test_dataloader.dataset.data_prefix.img = f'{split}/images/'
    cfg.test_evaluator.ann_file = str(world / path)


def run_detector(job: DetectorJob) -> float:
    """Train, choose the fusion at seed 0, measure; seconds it took."""
    from mmengine.runner import Runner

    start = time.time()
    cfg = detector_config(job)
    runner = Runner.from_cfg(cfg)
    runner.train()
    trained = time.time() - start
    model = runner.model.eval()
    if job.seed == 0:
        write_json(job.fusion, choose_fusion(cfg, model, job.world))
    fusion = json.loads(job.fusion.read_text('utf-8'))
    found: dict[str, Any] = dict(
        fusion=fusion['best'], train_seconds=round(trained, 1)
    )
    for split in job.splits:
        scores = split_scores(cfg, model, job.world, split)
        (found[split],) = measure(cfg, scores, [tuple(fusion['best'])])
    write_json(job.result, found)
    checkpoint = job.folder / 'train' / f'epoch_{job.epochs}.pth'
    os.replace(checkpoint, job.folder / 'detector.pth')
    shutil.rmtree(job.folder / 'train', ignore_errors=True)
    return time.time() - start


def split_scores(cfg: Config, model: Any, world: Path, split: str) -> Any:
    """Scores of both classifiers on a split."""
    from mmengine.runner import Runner

    from ..detection.hooks import take_names
    from ..detection.scores import collect_scores

    use_split(cfg, world, split)
    loader = Runner.build_dataloader(cfg.test_dataloader)
    take_names(model, loader.dataset)
    return collect_scores(model, loader)


def measure(cfg: Config, scores: Any, settings: list[tuple]) -> list[dict]:
    from ..detection.sweep import sweep

    return list(sweep(scores, cfg.test_evaluator.ann_file, settings))


def choose_fusion(cfg: Config, model: Any, world: Path) -> dict:
    """Best mean of novel and base AP50 on the tune split."""
    from ..detection.sweep import grid

    scores = split_scores(cfg, model, world, TUNE)
    rows = measure(cfg, scores, grid(ALPHAS, BETAS, TAUS))
    best = max(rows, key=lambda r: r['novel_AP50'] + r['base_AP50'])
    return dict(
        best=[best[k] for k in ('alpha', 'beta', 'tau')],
        split=TUNE,
        rows=rows,
    )
