"""F-ViT on the miniature world: what the backbone's weights are worth.

    python tools/miniature/f_vit.py --seeds 3 --out f_vit.json

For every seed and every backbone a detector is trained on the 34 base names
and measured on scenes that it never saw, with known drawings (``novel_ap50``,
``base_ap50``) and with drawings that no training saw (``heldout_...``). Rows:

    original          the tiny CLIP, its last block as F-ViT runs it (values)
    original-qq       the same weights, decoupled block without training
    self-distillation content loss alone, in the form of the paper's Table 1
    clipself          content loss alone, on the values (CLIPSelf)
    declip            DeCLIP

The three trained backbones are rows of tools/miniature/ladder.py, made here if
--ladder-dir does not have them. All detectors share one config,
configs/miniature/f_vit_coco.py. Exponents and temperature of the fusion are
swept for every row on the split tune_known at seed 0 alone, which no row
reports. Finished parts are kept in --work-dir.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..apis import at_least, command, help_first
from .converters.detection import write_detection_world
from .ladder.frame import BackboneJob, get_ready, run_table, table_parser
from .ladder.tables import BACKBONE, DECOUPLED, NO_VFM, Row, table_1
from .paths import CONFIGS
from .world import build_world

MASKCLIP = {f'{BACKBONE}.affinity': 'maskclip'}
(SELF_DISTILLED,) = (r for r in table_1() if r.name == 'self-distillation')


@dataclass(frozen=True)
class Backbone:
    """A row: how the last block runs, and who trained the weights.

    Attributes:
        affinity: Of the dense map and of the last feature level alike.
        row: Of the ladder; None leaves the original weights.
    """

    affinity: str
    row: Row | None = None


BACKBONES = {
    'original': Backbone('maskclip'),
    'original-qq': Backbone('qq'),
    'self-distillation': Backbone('vanilla', SELF_DISTILLED),
    'clipself': Backbone('maskclip', Row('clipself', {**MASKCLIP, **NO_VFM})),
    'declip': Backbone('qq', DECOUPLED),
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = table_parser(__doc__, 'f_vit', BACKBONES)
    parser.add_argument('--epochs', type=at_least(1), default=4)
    return parser.parse_args(argv)


help_first(__name__, parse_args, 'f_vit.py')

from mmengine.config import Config

from ..apis import write_json
from .ladder.config import with_weights
from .ladder.report import summarise
from .ladder.run import trained_backbones

CONFIG = CONFIGS / 'miniature/f_vit_coco.py'
TUNE = 'tune_known'
#: What is tried on the tune split: alpha, beta, tau (20 to 90 at full size,
#: where cosines are multiplied by 100 and not by 15).
ALPHAS, BETAS, TAUS = (0.1, 0.3, 0.5), (0.3, 0.5, 0.7, 0.9), (4, 8, 15)
SPLITS = {'val_known': '', 'val_heldout': 'heldout_'}
METRICS = dict(novel_AP50='novel_ap50', base_AP50='base_ap50')
#: Key of a cell -> its heading.
HEAD = {
    'name': 'backbone',
    **{
        p + m: (p + m).replace('_', ' ')
        for p in SPLITS.values()
        for m in METRICS.values()
    },
    'fusion': 'alpha / beta / tau',
}


@dataclass(frozen=True, kw_only=True)
class DetectorJob(BackboneJob):
    """A detector on a backbone.

    Attributes:
        epochs: Of the training.
        splits: To measure.
    """

    epochs: int
    splits: tuple[str, ...] = tuple(SPLITS)

    @property
    def fusion(self) -> Path:
        """What seed 0 chose, for all seeds of the row."""
        return self.folder.parent / 'fusion.json'


def detector_config(job: DetectorJob) -> Config:
    """The shipped config with the paths of this machine in it."""
    cfg = Config.fromfile(CONFIG)
    backbone = with_weights(cfg.model.backbone, job.weights)
    cfg.model.backbone = backbone
    backbone.affinity = job.affinity
    decoupled = job.affinity not in ('vanilla', 'maskclip')
    backbone.last_tap = 'decoupled' if decoupled else job.affinity
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

    from ..detection.scores import collect_scores
    from ..engine.vocabulary import hand_over_names

    use_split(cfg, world, split)
    loader = Runner.build_dataloader(cfg.test_dataloader)
    hand_over_names(model, loader.dataset)
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


def detector_jobs(
    args: argparse.Namespace,
    world: Path,
    names: Sequence[str],
    weights: dict[tuple[str, int], Path],
) -> list[DetectorJob]:
    """Seed 0 comes first: it decides how the others fuse.

    Args:
        args: Of the command line.
        world: Folder of the miniature world.
        names: Rows.
        weights: (ladder row, seed) -> file.
    """
    return [
        DetectorJob(
            name=f'{name} seed {seed}',
            seed=seed,
            affinity=BACKBONES[name].affinity,
            weights=BACKBONES[name].row
            and weights[BACKBONES[name].row.name, seed],
            world=world,
            folder=args.work_dir / f'{name}_{args.epochs}' / str(seed),
            epochs=args.epochs,
        )
        for seed in range(args.seeds)
        for name in names
    ]


def as_rows(names: Sequence[str], jobs: Sequence[DetectorJob]) -> list[dict]:
    rows = []
    for name in names:
        own = [j for j in jobs if j.name.startswith(f'{name} seed ')]
        if not all(job.done() for job in own):
            continue
        found = [job.read() for job in own]
        cells = summarise(found, SPLITS, True, METRICS)
        rows.append(dict(name=name, fusion=found[0]['fusion'], **cells))
    return rows


@command
def main(argv: Sequence[str] | None = None) -> int:
    args, start = parse_args(argv), get_ready()
    names = args.rows or list(BACKBONES)
    world = build_world()
    write_detection_world(world)
    rows = [BACKBONES[n].row for n in names if BACKBONES[n].row]
    weights = trained_backbones(rows, args, world)
    jobs = detector_jobs(args, world, names, weights)
    count = len(names)  # seed 0 chooses the fusion for the others
    return run_table(
        args,
        [jobs[:count], jobs[count:]],
        run_detector,
        lambda: as_rows(names, jobs),
        HEAD,
        'box AP50,',
        start,
    )


if __name__ == '__main__':
    sys.exit(main())
