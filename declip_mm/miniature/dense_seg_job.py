"""One training-free method on one split of the miniature world."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from .ladder.report import write_json
from .paths import CONFIGS

CONFIG = CONFIGS / 'miniature/dense_seg.py'
METHODS = {
    'CLIP': dict(affinity='vanilla'),
    'MaskCLIP': dict(affinity='maskclip'),
    'SCLIP': dict(affinity='csa', residual=True, ffn=True),
    'ClearCLIP': dict(affinity='qq'),
    'DeCLIP': dict(affinity='qq'),
}


@dataclass(frozen=True)
class SegJob:
    """A method with weights on a split.

    Attributes:
        method: Of :data:`METHODS`.
        seed: Of the training; 0 where nothing trains.
        weights: Of the backbone; None are the tiny CLIP's.
        split: Folder below the world.
        world: Folder of the miniature world.
        limit: Only the first pictures.
        folder: Results of all jobs.
    """

    method: str
    seed: int
    weights: Path | None
    split: str
    world: Path
    limit: int | None
    folder: Path

    @property
    def name(self) -> str:
        return f'{self.method} seed {self.seed} {self.split}'

    @property
    def result(self) -> Path:
        """Named by all that decides the figures."""
        content = [CONFIG.read_text('utf-8'), METHODS[self.method]]
        content += [self.split, self.limit]
        if self.weights is not None:
            content.append(
                hashlib.sha256(self.weights.read_bytes()).hexdigest()
            )
        mark = self.world / self.split / 'fingerprint.json'
        content.append(mark.read_text('utf-8'))
        key = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
        return self.folder / f'{self.method}_{self.split}_{key}.json'


def seg_config(job: SegJob) -> Config:
    """The shipped config with the method and the paths in it."""
    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone.update(METHODS[job.method])
    if job.weights is not None:
        cfg.model.backbone.pretrained = str(job.weights)
    loader = cfg.test_dataloader
    loader.update(num_workers=0, persistent_workers=False)
    loader.dataset.data_root = str(job.world / job.split)
    if job.limit:
        loader.dataset.indices = job.limit
    # as the other tables of the miniature world count
    cfg.test_evaluator = dict(type='OVIoUMetric', absent='exclude')
    cfg.work_dir = str(job.folder / 'runs' / job.name.replace(' ', '_'))
    return cfg


def run_seg(job: SegJob) -> float:
    """Measure; seconds it took."""
    from ..apis import run_test

    start = time.time()
    metrics = run_test(seg_config(job))
    write_json(job.result, metrics)
    return time.time() - start
