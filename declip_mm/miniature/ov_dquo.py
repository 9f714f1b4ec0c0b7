"""OV-DQUO on the miniature world: what pseudo labels and weights are worth.

    python tools/miniature/ov_dquo.py --seeds 3 --out ov_dquo.json

For every seed pseudo labels are made of the annotations of the 34 base names
(two rounds, on DeCLIP's weights), and every row trains a detector. It is
measured on scenes that it never saw, with known drawings and with drawings
that no training saw (``heldout_...``): box AP50, and recall by the ten best
boxes of a scene whatever their names. Rows:

    none      DeCLIP's weights, no pseudo labels
    pipeline  DeCLIP's weights, the pipeline's labels
    original  the tiny CLIP (values), the pipeline's labels
    perfect   DeCLIP's weights, the novel objects' own boxes as labels: what
              labels could give at best, only with --rows

``--toy`` trains on 64 scenes of coloured squares, which its CLIP names right,
and measures on the same ones (boxes with a score of 0.3 or more): with perfect
labels nearly all objects are found, without any only those of base names.
``--layout lvis`` reads the files in LVIS's layout and gives its AP.
DeCLIP's weights are a row of tools/miniature/ladder.py, made here if
--ladder-dir does not have them. Finished parts are kept in --work-dir.
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
from .converters.detection import write_detection_world
from .ladder.frame import BackboneJob, get_ready, run_table, table_parser
from .ladder.tables import DECOUPLED, Row
from .paths import CONFIGS
from .world import build_world

SPLITS = {'val_known': '', 'val_heldout': 'heldout_'}
TOY_SPLITS = {'toy': ''}
RECALL = {
    'objects/novel_recall_10': 'novel_recall',
    'objects/base_recall_10': 'base_recall',
}
#: Metric of a layout -> the rest of its column's name.
METRICS = {
    'coco': {
        'coco/novel_ap50': 'novel_ap50',
        'coco/base_ap50': 'base_ap50',
        **RECALL,
    },
    'lvis': {
        'lvis/bbox_APr': 'APr',
        'lvis/bbox_AP': 'AP',
        'lvis/bbox_AP50': 'AP50',
        **RECALL,
    },
}
#: Shares of one; recall is in per cent as it is.
PER_CENT = ('coco/', 'lvis/')
HEAD = {
    'name': 'row',
    **{
        prefix + name: (prefix + name).replace('_', ' ')
        for prefix in SPLITS.values()
        for metrics in METRICS.values()
        for name in metrics.values()
    },
}
#: Epochs of the toy, and the score from which a box of it counts: that from
#: which mmdet draws boxes.
TOY_EPOCHS, TOY_SCORE = 40, 0.3


@dataclass(frozen=True)
class Setting:
    """A row.

    Attributes:
        labels: ``'none'``, ``'pipeline'`` or ``'perfect'``.
        affinity: Of the backbone.
        row: Of the ladder; None leaves the original weights.
    """

    labels: str
    affinity: str = 'qq'
    row: Row | None = DECOUPLED


ROWS = {
    'none': Setting('none'),
    'pipeline': Setting('pipeline'),
    'original': Setting('pipeline', 'maskclip', None),
    'perfect': Setting('perfect'),
}
DEFAULT_ROWS = ('none', 'pipeline', 'original')
TOY_ROWS = ('none', 'perfect')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = table_parser(__doc__, 'ov_dquo', ROWS)
    parser.add_argument('--layout', choices=list(METRICS), default='coco')
    parser.add_argument(
        '--toy', action='store_true', help='overfit a few scenes'
    )
    parser.add_argument('--epochs', type=at_least(1), default=8)
    parser.add_argument(
        '--proposer-epochs', type=at_least(1), default=2, help='of a round'
    )
    args = parser.parse_args(argv)
    if args.toy:
        wrong = set(args.rows or ()) - set(TOY_ROWS)
        if wrong:
            parser.error(
                f'--toy has the rows {", ".join(TOY_ROWS)}, got '
                f'{", ".join(sorted(wrong))}'
            )
    return args


help_first(__name__, parse_args, 'ov_dquo.py')

from mmengine.config import Config

from ..apis import write_json
from .ladder.report import summarise
from .ladder.run import trained_backbones
from .pseudo_labels import (
    LabelJob,
    label_jobs,
    make_labels,
    use_backbone,
    write_perfect,
)
from .squares import build_squares, use_squares


@dataclass(frozen=True, kw_only=True)
class DetectorJob(BackboneJob):
    """A detector with pseudo labels or without.

    Attributes:
        layout: ``'coco'`` or ``'lvis'``.
        epochs: Of the training.
        train: Split that it is trained on.
        splits: To measure.
        labels: Pseudo-label file, or None.
    """

    layout: str
    epochs: int
    train: str
    splits: tuple[str, ...]
    labels: Path | None


def detector_config(job: DetectorJob) -> Config:
    """The shipped config with the paths of this machine in it."""
    cfg = Config.fromfile(CONFIGS / f'miniature/ov_dquo_{job.layout}.py')
    use_backbone(cfg, job)
    use_split(cfg.train_dataloader.dataset, job.layout, job.train)
    if job.train == 'toy':
        use_squares(cfg, job.world)
    if job.labels is not None:
        cfg.train_dataloader.dataset.pseudo_file = str(job.labels)
    cfg.work_dir = str(job.folder / 'train')
    return cfg


def use_split(dataset: Any, layout: str, split: str) -> None:
    """Let a data set of a config read a split of the world."""
    dataset.ann_file = f'detection/{layout}/{split}.json'
    folder = f'{split}/images/' if layout == 'coco' else f'{split}/'
    dataset.data_prefix = dict(img=folder)


def measured(cfg: Config, job: DetectorJob, split: str) -> None:
    """Let the test of a config measure a split."""
    use_split(cfg.test_dataloader.dataset, job.layout, split)
    path = str(job.world / f'detection/{job.layout}/{split}.json')
    own = cfg.test_evaluator
    own = own[0] if isinstance(own, list) else own
    own.ann_file = path
    recall = dict(type='ObjectRecall', ann_file=path)
    if split == 'toy':
        recall['min_score'] = TOY_SCORE
    cfg.test_evaluator = [own, recall]


def run_job(job: BackboneJob) -> float:
    """Seconds it took."""
    start = time.time()
    if isinstance(job, LabelJob):
        make_labels(job)
    else:
        run_detector(job)
    return time.time() - start


def run_detector(job: DetectorJob) -> None:
    """Train and measure."""
    from mmengine.runner import Runner

    cfg = detector_config(job)
    start = time.time()
    Runner.from_cfg(cfg).train()
    found: dict[str, Any] = dict(train_seconds=round(time.time() - start, 1))
    checkpoint = job.folder / 'train' / f'epoch_{job.epochs}.pth'
    for split in job.splits:
        test = detector_config(job)
        measured(test, job, split)
        test.load_from = str(checkpoint)
        figures = Runner.from_cfg(test).test()
        found[split] = {
            name: float(value) * (100 if name.startswith(PER_CENT) else 1)
            for name, value in figures.items()
            if name in METRICS[job.layout]
        }
    write_json(job.result, found)
    os.replace(checkpoint, job.folder / 'detector.pth')
    shutil.rmtree(job.folder / 'train', ignore_errors=True)


def detector_jobs(
    args: argparse.Namespace,
    world: Path,
    names: Sequence[str],
    weights: dict[tuple[str, int], Path],
    pipeline: dict[int, LabelJob],
) -> list[DetectorJob]:
    """A detector for every row and seed."""
    train, epochs = ('toy', TOY_EPOCHS) if args.toy else ('train', args.epochs)
    perfect = args.work_dir / f'perfect_{train}.json'
    if any(ROWS[name].labels == 'perfect' for name in names):
        write_perfect(world, train, perfect)
    jobs = []
    for seed in range(args.seeds):
        for name in names:
            row = ROWS[name]
            labels = dict(
                none=None,
                perfect=perfect,
                pipeline=pipeline[seed].labels if pipeline else None,
            )
            stem = f'{name}_{args.layout}_{train}_{epochs}'
            if row.labels == 'pipeline':  # of which proposers
                stem += f'_labels_{args.proposer_epochs}'
            jobs.append(
                DetectorJob(
                    name=f'{name} seed {seed}',
                    seed=seed,
                    affinity=row.affinity,
                    weights=row.row and weights.get((row.row.name, seed)),
                    world=world,
                    folder=args.work_dir / stem / str(seed),
                    layout=args.layout,
                    epochs=epochs,
                    train=train,
                    splits=tuple(TOY_SPLITS if args.toy else SPLITS),
                    labels=labels[row.labels],
                )
            )
    return jobs


def as_rows(
    names: Sequence[str], jobs: Sequence[DetectorJob], layout: str
) -> list[dict]:
    """Finished rows."""
    rows = []
    for name in names:
        own = [j for j in jobs if j.name.startswith(f'{name} seed ')]
        if not all(job.done() for job in own):
            continue
        splits = TOY_SPLITS if own[0].train == 'toy' else SPLITS
        cells = summarise(
            [job.read() for job in own], splits, True, METRICS[layout]
        )
        rows.append(dict(name=name, **cells))
    return rows


@command
def main(argv: Sequence[str] | None = None) -> int:
    args, start = parse_args(argv), get_ready()
    names = args.rows or list(TOY_ROWS if args.toy else DEFAULT_ROWS)
    world = build_world()
    write_detection_world(world)
    pipeline: dict[int, LabelJob] = {}
    weights = {}
    if args.toy:
        world = build_squares(args.work_dir / 'squares', world)
    else:
        weights = trained_backbones([DECOUPLED], args, world)
    if not args.toy and any(ROWS[name].labels == 'pipeline' for name in names):
        pipeline = label_jobs(args, world, weights)
    jobs = detector_jobs(args, world, names, weights, pipeline)
    return run_table(
        args,
        [list(pipeline.values()), jobs],
        run_job,
        lambda: as_rows(names, jobs, args.layout),
        HEAD,
        f'{"toy, " * args.toy}{args.layout} layout, box AP and recall,',
        start,
        layout=args.layout,
        toy=args.toy,
    )


if __name__ == '__main__':
    sys.exit(main())
