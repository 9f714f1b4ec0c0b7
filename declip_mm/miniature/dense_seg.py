"""Training-free segmentation of the miniature world: five methods.

    python tools/miniature/dense_seg.py --seeds 3 --out dense_seg.json

Rows, all on the tiny CLIP with the same windows, names and scale
(configs/miniature/dense_seg.py):

    CLIP       the last block as it is
    MaskCLIP   its values, without attention
    SCLIP      csa with residual and FFN
    ClearCLIP  qq without residual and FFN
    DeCLIP     ClearCLIP's block, weights after pre-finetuning, per seed

Only DeCLIP trains, so only its row has an interval. Its weights are those of
the row ``decoupled`` of tools/miniature/ladder.py, made here if --ladder-dir
does not have them, or the files of --checkpoint, one a seed. Measured on
scenes with known drawings (``miou``) and with drawings that no training saw
(``heldout_miou``). Finished parts are kept in --work-dir.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..apis import command, help_first
from .ladder.frame import get_ready, run_table, table_parser
from .ladder.tables import DECOUPLED
from .paths import CONFIGS
from .world import build_world

METHODS = {
    'CLIP': dict(affinity='vanilla'),
    'MaskCLIP': dict(affinity='maskclip'),
    'SCLIP': dict(affinity='csa', residual=True, ffn=True),
    'ClearCLIP': dict(affinity='qq'),
    'DeCLIP': dict(affinity='qq'),
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = table_parser(__doc__, 'dense_seg', METHODS)
    parser.add_argument(
        '--checkpoint', type=Path, nargs='+', help='DeCLIP weights, one a seed'
    )
    parser.add_argument('--limit', type=int, help='pictures of each split')
    args = parser.parse_args(argv)
    if args.checkpoint:
        args.seeds = len(args.checkpoint)
    return args


help_first(__name__, parse_args, 'dense_seg.py')

from mmengine.config import Config

from ..apis import write_json
from .ladder.report import summarise
from .ladder.run import trained_backbones

CONFIG = CONFIGS / 'miniature/dense_seg.py'

SPLITS = dict(val_known='', val_heldout='heldout_')
METRICS = dict(mIoU='miou', aAcc='aacc')
#: Key of a cell -> its heading.
HEAD = dict(
    name='method',
    miou='known mIoU',
    aacc='known aAcc',
    heldout_miou='held out mIoU',
    heldout_aacc='held out aAcc',
)


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

    def done(self) -> bool:
        return self.result.is_file()


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
    cfg.test_evaluator = dict(type='OVIoUMetric', rule='detectron2')
    cfg.work_dir = str(job.folder / 'runs' / job.name.replace(' ', '_'))
    return cfg


def run_seg(job: SegJob) -> float:
    """Measure; seconds it took."""
    from ..apis import run_test

    start = time.time()
    metrics = run_test(seg_config(job))
    write_json(job.result, metrics)
    return time.time() - start


def declip_weights(args: argparse.Namespace, world: Path) -> list[Path]:
    """Weights of each seed; trains those that are missing."""
    if args.checkpoint:
        return args.checkpoint
    return list(trained_backbones([DECOUPLED], args, world).values())


def make_seg_jobs(
    args: argparse.Namespace, world: Path, weights: Sequence[Path]
) -> list[SegJob]:
    jobs = []
    for method in args.rows or METHODS:
        own = weights if method == 'DeCLIP' else [None]
        for seed, file in enumerate(own):
            jobs += [
                SegJob(method, seed, file, s, world, args.limit, args.work_dir)
                for s in SPLITS
            ]
    return jobs


def as_rows(jobs: Sequence[SegJob]) -> list[dict]:
    """Finished methods, each metric with mean, interval and values."""
    rows = []
    for method in dict.fromkeys(job.method for job in jobs):
        own = [job for job in jobs if job.method == method]
        if not all(job.done() for job in own):
            continue
        found: dict[int, dict] = {}
        for job in own:
            metrics = json.loads(job.result.read_text('utf-8'))
            found.setdefault(job.seed, {})[job.split] = metrics
        seeds, trained = list(found.values()), method == 'DeCLIP'
        cells = summarise(seeds, SPLITS, trained, METRICS)
        rows.append(dict(name=method, **cells))
    return rows


@command
def main(argv: Sequence[str] | None = None) -> int:
    args, start = parse_args(argv), get_ready()
    world = build_world()
    trained = not args.rows or 'DeCLIP' in args.rows
    weights = declip_weights(args, world) if trained else []
    args.work_dir.mkdir(parents=True, exist_ok=True)
    jobs = make_seg_jobs(args, world, weights)
    return run_table(
        args,
        [jobs],
        run_seg,
        lambda: as_rows(jobs),
        HEAD,
        'percent; DeCLIP:',
        start,
    )


if __name__ == '__main__':
    sys.exit(main())
