"""CAT-Seg on the miniature world: what head and backbone are worth.

    python tools/miniature/cat_seg.py --seeds 3 --out cat_seg.json

For every seed and every backbone a head is trained on the 34 base names (data
in COCO-Stuff's layout, novel names unlabelled) and measured over all 45 names
(data in ADE20K's layout) on scenes that it never saw, with known drawings
(``novel_miou``, ``base_miou``) and with drawings that no training saw
(``heldout_...``). Backbones:

    original      the tiny CLIP, its last block as it is
    original-qq   the same weights, decoupled block without training
    declip        DeCLIP (a row of tools/miniature/ladder.py, made here if
                  --ladder-dir does not have it)

``raw`` rows are cosines of features and names at the same resolution, with no
head. Finished parts are kept in --work-dir; an interrupted run goes on.
"""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..apis import at_least, command, help_first
from .ladder.frame import BackboneJob, get_ready, run_table, table_parser
from .ladder.tables import DECOUPLED
from .paths import CONFIGS
from .world import build_world, load_pack

#: Backbone -> affinity of its last block.
BACKBONES = {'original': 'vanilla', 'original-qq': 'qq', 'declip': 'qq'}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = table_parser(__doc__, 'cat_seg', BACKBONES)
    parser.add_argument('--iters', type=at_least(1), default=200)
    parser.add_argument(
        '--images', type=at_least(1), help='of each test split'
    )
    parser.add_argument('--mode', choices=('whole', 'catseg'), default='whole')
    return parser.parse_args(argv)


help_first(__name__, parse_args, 'cat_seg.py')

from mmengine.config import Config

from ..apis import write_json
from .converters.cat_seg import write_layouts
from .ladder.config import measure_config, with_weights
from .ladder.report import summarise
from .ladder.run import trained_backbones

CONFIG = CONFIGS / 'cat_seg/miniature.py'
SPLITS = {'val_known': '', 'val_heldout': 'heldout_'}

COLUMNS = dict(novel_miou='novel_miou', base_miou='base_miou')
#: Key of a cell -> its heading.
HEAD = {
    'name': 'row',
    **{
        p + c: f'{p}{c}'.replace('_miou', ' mIoU').replace('_', ' ')
        for p in SPLITS.values()
        for c in COLUMNS
    },
    'finished': 'seeds',
}


@dataclass(frozen=True, kw_only=True)
class CATSegJob(BackboneJob):
    """A backbone under a head that is trained, or under none.

    Attributes:
        head: Whether a head is trained; else raw cosines are measured.
        data: The world in the layouts of COCO-Stuff and ADE20K.
        iters: Of the training.
        images: Test pictures of each split; None takes all.
        mode: Test mode of the segmentor.
    """

    head: bool
    data: Path
    iters: int
    images: int | None = None
    mode: str = 'whole'

    @property
    def checkpoint(self) -> Path:
        return self.folder / 'cat_seg.pth'


def backbone_of(cfg: Config, job: CATSegJob) -> dict:
    backbone = with_weights(cfg.model.backbone, job.weights)
    backbone.affinity = job.affinity
    return backbone


def job_config(job: CATSegJob) -> Config:
    """The shipped config with the paths of this machine in it."""
    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone = backbone_of(cfg, job)
    if job.mode == 'whole':
        cfg.model.test_cfg = dict(mode='whole', crop=168)
    for key in ('train_dataloader', 'test_dataloader'):
        cfg[key].update(num_workers=0, persistent_workers=False)
    train = cfg.train_dataloader.dataset
    train.data_root = str(job.data / 'coco_stuff164k')
    cfg.test_dataloader.dataset.indices = job.images
    use_split(cfg, job, 'val_known')
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
    return dict(
        novel_miou=found['seg/novel_mIoU'],
        base_miou=found['seg/base_mIoU'],
        miou=found['seg/mIoU'],
    )


def make_cat_seg_jobs(
    args: argparse.Namespace, world: Path, data: Path, names: Sequence[str]
) -> list[CATSegJob]:
    """Raw rows, then heads seed by seed; what is not random has one seed."""
    rows = [DECOUPLED] if 'declip' in names else []
    weights = trained_backbones(rows, args, world)
    mark = f'{args.iters}_{args.images or "all"}_{args.mode}'
    jobs = []
    for head in (False, True):
        for seed in range(args.seeds):
            for name in names:
                if not head and seed and name != 'declip':
                    continue
                row = f'{"cat-seg" if head else "raw"} {name}'
                folder = args.work_dir / row.replace(' ', '_') / mark
                jobs.append(
                    CATSegJob(
                        name=f'{row} seed {seed}',
                        seed=seed,
                        affinity=BACKBONES[name],
                        weights=weights[DECOUPLED.name, seed]
                        if name == 'declip'
                        else None,
                        head=head,
                        world=world,
                        data=data,
                        folder=folder / str(seed),
                        iters=args.iters,
                        images=args.images,
                        mode=args.mode,
                    )
                )
    return jobs


def as_rows(jobs: Sequence[CATSegJob]) -> list[dict]:
    """A row for each backbone and head of which anything is finished."""
    groups: dict[str, list[CATSegJob]] = {}
    for job in jobs:
        groups.setdefault(job.name.rpartition(' seed ')[0], []).append(job)
    rows = []
    for name, own in groups.items():
        found = [job.read() for job in own if job.done()]
        if not found:
            continue
        random = own[0].head or own[0].weights is not None
        cells = summarise(found, SPLITS, random, COLUMNS)
        rows.append(dict(name=name, finished=len(found), **cells))
    return rows


@command
def main(argv: Sequence[str] | None = None) -> int:
    args, start = parse_args(argv), get_ready()
    names = args.rows or list(BACKBONES)
    world, cfg = build_world(), Config.fromfile(CONFIG)
    data = write_layouts(
        world,
        world / 'cat_seg',
        cfg.classes,
        cfg.base_classes,
        load_pack().classes,
        list(SPLITS),
    )
    jobs = make_cat_seg_jobs(args, world, data, names)
    return run_table(
        args,
        [jobs],
        run_cat_seg,
        lambda: as_rows(jobs),
        HEAD,
        f'mIoU over 45 names after {args.iters} steps,',
        start,
        iters=args.iters,
    )


if __name__ == '__main__':
    sys.exit(main())
