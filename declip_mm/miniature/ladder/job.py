"""One training of the ladder and all that is measured of it."""

import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...apis import write_json
from ...checkpoint import export_backbone
from .config import (
    localise,
    measure_config,
    running_config,
    train_config,
    with_weights,
)
from .tables import Row


@dataclass
class Job:
    """Weights that one or several rows need, and where they are measured.

    Attributes:
        key: Hash of what decides the weights.
        row: A row that has them.
        seed: Of the training.
        world: Folder of the miniature world.
        folder: Results of this key.
        measures: (split, side) pairs.
    """

    key: str
    row: Row
    seed: int
    world: Path
    folder: Path
    measures: set[tuple[str, int]] = field(default_factory=set)

    @property
    def name(self) -> str:
        seed = f' seed {self.seed}' if self.row.trained else ''
        return f'{self.row.name}{seed}'

    @property
    def backbone(self) -> Path:
        """Exported weights, once they are trained."""
        return self.folder / 'backbone.pth'

    def result(self, split: str, side: int) -> Path:
        return self.folder / f'{split}_{side}.json'

    def missing(self) -> list[tuple[str, int]]:
        """What is still to be measured."""
        return [
            m for m in sorted(self.measures) if not self.result(*m).is_file()
        ]

    def done(self) -> bool:
        return not self.missing()


def read_metrics(path: Path) -> dict[str, float]:
    return json.loads(path.read_text('utf-8'))


def run_job(job: Job) -> float:
    """Train if needed, measure what is missing; seconds it took.

    Every finished part is on disk under its final name only when complete.
    """
    from mmengine.runner import Runner

    start = time.time()
    job.folder.mkdir(parents=True, exist_ok=True)
    cfg = train_config(job.row, job.seed)
    weights = None
    if job.row.trained:
        weights = job.backbone
        if not weights.is_file():
            _train(Runner, cfg, job, weights)
    cfg = train_config(job.row, job.seed)
    backbone = with_weights(cfg.model.backbone, weights)
    text_encoder = cfg.model.predictor.text_encoder
    for split, side in job.missing():
        out = job.folder / 'measure'
        test = measure_config(
            backbone, job.world, split, side, out, text_encoder
        )
        found = _measure(Runner, test)
        write_json(job.result(split, side), columns(found, split))
        shutil.rmtree(out, ignore_errors=True)
    return time.time() - start


def _train(runner_type: Any, cfg: Any, job: Job, weights: Path) -> None:
    paths = localise(cfg, job.world)
    if not job.row.cached:
        paths = {}
    out = job.folder / 'train'
    start = time.time()
    runner_type.from_cfg(running_config(cfg, paths, out)).train()
    seconds = round(time.time() - start, 1)
    export_backbone(
        str(out / f'epoch_{cfg.train_cfg.max_epochs}.pth'), str(weights)
    )
    write_json(job.folder / 'train.json', dict(seconds=seconds))
    shutil.rmtree(out, ignore_errors=True)


def _measure(runner_type: Any, cfg: Any) -> dict[str, float]:
    runner = runner_type.from_cfg(cfg)
    runner.model.backbone.init_weights()
    return runner.test()


def columns(found: dict[str, float], split: str) -> dict[str, float]:
    """The metrics' names -> the table's, without the split's prefix."""
    part = 'unseen_' if split == 'val_unseen' else ''
    return dict(
        region_macc=found[f'region/box_{part}macc'],
        mask_macc=found[f'region/mask_{part}macc'],
        miou=found[f'seg/{part}mIoU'],
        image_macc=found[f'region/crop_{part}macc'],
    )
