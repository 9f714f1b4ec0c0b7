"""Pseudo labels on the miniature world: the pipeline's, and perfect ones."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from .ladder.config import with_weights
from .ladder.frame import BackboneJob
from .ladder.tables import DECOUPLED
from .paths import CONFIGS

PROPOSER = CONFIGS / 'miniature/proposer.py'
ROUNDS = 2


@dataclass(frozen=True, kw_only=True)
class LabelJob(BackboneJob):
    """Pseudo labels of a seed.

    Attributes:
        epochs: Of the proposer.
        base: Base-only file.
    """

    epochs: int
    base: Path

    def done(self) -> bool:
        return self.labels.is_file()

    @property
    def labels(self) -> Path:
        return self.folder / f'round_{ROUNDS}/pseudo.json'


def use_backbone(cfg: Config, job: BackboneJob) -> None:
    """Its weights and affinity, this machine's paths, one process."""
    backbone = with_weights(cfg.model.backbone, job.weights)
    cfg.model.backbone = backbone
    backbone.affinity = job.affinity
    backbone.last_tap = 'decoupled' if job.affinity == 'qq' else job.affinity
    for key in ('train_dataloader', 'test_dataloader'):
        cfg[key].update(num_workers=0, persistent_workers=False)
        cfg[key].dataset.data_root = str(job.world)
    cfg.train_dataloader.dataset.data_prefix = dict(img='train/images/')
    for key in ('val_dataloader', 'val_evaluator', 'val_cfg'):
        cfg[key] = None
    cfg.train_cfg.max_epochs = job.epochs
    cfg.train_cfg.pop('val_interval', None)
    cfg.param_scheduler[1].update(T_max=job.epochs, end=job.epochs)
    cfg.randomness = dict(seed=job.seed)
    cfg.default_hooks.checkpoint = dict(
        type='CheckpointHook', interval=job.epochs, save_optimizer=False
    )


def label_jobs(
    args: argparse.Namespace,
    world: Path,
    weights: dict[tuple[str, int], Path],
) -> dict[int, LabelJob]:
    """Seed -> the pipeline's job.

    Args:
        args: Of the command line.
        world: Folder of the miniature world.
        weights: (ladder row, seed) -> file.
    """
    base = write_base(world, args.work_dir / 'base.json')
    return {
        seed: LabelJob(
            name=f'labels seed {seed}',
            seed=seed,
            affinity='qq',
            weights=weights[DECOUPLED.name, seed],
            world=world,
            folder=args.work_dir / f'labels_{args.proposer_epochs}/{seed}',
            epochs=args.proposer_epochs,
            base=base,
        )
        for seed in range(args.seeds)
    }


def make_labels(job: LabelJob) -> None:
    """The pipeline, as the command runs it."""
    from ..apis.pseudo_labels import label_rounds
    from ..detection.pseudo.filters import FilterRules

    cfg = Config.fromfile(PROPOSER)
    use_backbone(cfg, job)
    path = job.folder / 'proposer.py'
    path.parent.mkdir(parents=True, exist_ok=True)
    cfg.dump(str(path))
    label_rounds(str(path), job.base, job.folder, ROUNDS, FilterRules())


def write_base(world: Path, out: Path) -> Path:
    """The annotations that the pipeline may see."""
    from ..apis.pseudo_labels import write_base_file

    cfg = Config.fromfile(PROPOSER)
    data = cfg.train_dataloader.dataset
    data.type = 'OpenVocabDetDataset'
    data.data_root = str(world)
    data.ann_file = 'detection/coco/train.json'
    data.data_prefix = dict(img='train/images/')
    write_base_file(cfg, out)
    return out


def write_perfect(world: Path, split: str, out: Path) -> Path:
    """The boxes of novel objects as pseudo labels."""
    from ..detection.pseudo.label_file import label_entry, write_labels

    path = world / f'detection/coco/{split}.json'
    content = json.loads(path.read_text('utf-8'))
    novel = {c['id'] for c in content['categories'] if c['novel']}
    entries = [
        label_entry(a['image_id'], a['bbox'], 1.0)
        for a in content['annotations']
        if a['category_id'] in novel
    ]
    write_labels(out, entries)
    return out
