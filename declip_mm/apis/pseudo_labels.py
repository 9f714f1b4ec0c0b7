"""Pseudo labels of unknown objects: from base annotations, round by round."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DATASETS, init_default_scope

from .command import say_what_is_kept
from .config_check import check_config
from .kinds import check_kind
from .launch import build_runner, load_config, switch_amp
from .options import OptionError
from .proposals import write_proposals
from .results import writable_file, writable_folder, write_json
from .resume import find_resume_point
from .weighing import WEIGHTS, weigh_by_score, weigh_labels

__all__ = [
    'filter_file',
    'label_rounds',
    'use_base_file',
    'weigh_file',
    'write_base_file',
]

#: Proposals of a picture that are kept for the filter.
_MOST = 100


def write_base_file(cfg: Config, out: Path) -> dict[str, int]:
    """Write the base-only file of a config's train data set.

    Returns:
        Numbers of pictures, objects, base and novel classes.
    """
    from ..datasets.coco_file import read_coco
    from ..detection.pseudo.base_only import base_annotations

    init_default_scope(cfg.get('default_scope', 'mmdet'))
    writable_file(out)
    options = dict(cfg.train_dataloader.dataset, pipeline=[])
    options.pop('pseudo_file', None)
    data = DATASETS.build(options)
    names = data.metainfo.get('classes', ())
    novel = data.metainfo.get('novel_classes', ())
    if not novel:
        raise OptionError(
            f'{data.ann_file}: its data set ({type(data).__name__}) has no '
            'novel classes, so there is nothing to find beside the '
            'annotations'
        )
    content = read_coco(data.ann_file)
    by_name = {c['name']: c for c in content['categories']}
    content['categories'] = [by_name[name] for name in names]
    found = base_annotations(content, novel)
    about = f'base annotations of {Path(data.ann_file).name}'
    write_json(out, dict(info=dict(description=about), **found), indent=None)
    return dict(
        pictures=len(found['images']),
        objects=len(found['annotations']),
        base=len(names) - len(novel),
        novel=len(novel),
    )


def filter_file(
    proposals: Path, base: Path, out: Path, rules: Any
) -> dict[str, int]:
    """Make pseudo labels of proposals; all weigh 1.

    Args:
        proposals: COCO file of proposals.py.
        base: Base-only file.
        out: Pseudo-label file.
        rules: :class:`~declip_mm.detection.pseudo.filters.FilterRules`.

    Returns:
        ``kept`` boxes, and how many each rule took away.
    """
    from ..detection.pseudo.base_only import read_base_only
    from ..detection.pseudo.filters import filter_proposals
    from ..detection.pseudo.label_file import check_pictures, write_labels

    writable_file(out)
    known = read_base_only(base)
    found = _read_proposals(proposals)
    check_pictures(proposals, found, {i['id'] for i in known['images']})
    labels, gone = filter_proposals(found, known, rules)
    if not labels:
        raise OptionError(
            f'{proposals}: none of its {sum(map(len, found.values()))} boxes '
            f'passes the filter; they went by {gone}. Loosen a rule, or '
            'propose more boxes (proposals.py --max-per-image, --min-score)'
        )
    write_labels(out, labels)
    return dict(kept=len(labels), **gone)


def _read_proposals(path: Path) -> dict[Any, list[list[float]]]:
    """Picture -> rows of x, y, width, height, score."""
    from ..datasets.coco_file import read_coco

    found: dict[Any, list[list[float]]] = {}
    for note in read_coco(path, optional=['annotations'])['annotations']:
        score = note.get('score')
        if type(score) not in (int, float):
            raise OptionError(
                f'{path}: annotation {note["id"]} has no score, so these are '
                'no proposals; make them with proposals.py'
            )
        found.setdefault(note['image_id'], []).append([*note['bbox'], score])
    return found


def weigh_file(
    labels: Path,
    out: Path,
    weight: str,
    cfg: Config | None = None,
    source: str = '',
    checkpoint: str = '',
) -> float | None:
    """Give pseudo labels their foreground weights.

    Args:
        labels, out: Pseudo-label files.
        weight: ``'rew'`` (reconstruction error), ``'score'`` or ``'const'``.
        cfg, source, checkpoint: See
            :func:`~declip_mm.apis.weighing.weigh_labels`; for ``'rew'``.

    Returns:
        How well the weights tell known objects from background (AUC); None
        where they are not made by that.
    """
    from ..detection.pseudo.label_file import read_labels, write_labels

    if weight not in WEIGHTS:
        raise OptionError(
            f'weight {weight!r}: allowed are {", ".join(WEIGHTS)}'
        )
    writable_file(out)
    found, told = read_labels(labels), None
    if weight == 'rew':
        if cfg is None:
            raise OptionError(
                'weights by reconstruction error (rew) need the config and '
                'the checkpoint of a proposer: --config, --checkpoint'
            )
        told = weigh_labels(cfg, source, checkpoint, found, out)
    elif weight == 'score':
        weigh_by_score(found, labels)
    else:
        for entry in (e for entries in found.values() for e in entries):
            entry['weight'] = 1.0
    write_labels(out, [e for entries in found.values() for e in entries])
    return told


def use_base_file(cfg: Config, base: Path, labels: Path | None = None) -> None:
    """Let a proposer's config read a base-only file, and labels beside it."""
    data = cfg.train_dataloader.dataset
    data.ann_file = str(base.resolve())
    data.pop('pseudo_file', None)
    if labels is not None:
        data.pseudo_file = str(labels.resolve())


def label_rounds(
    config: str,
    base: Path,
    work_dir: Path,
    rounds: int,
    rules: Any,
    weight: str = 'rew',
    options: Mapping | None = None,
    amp: bool | None = None,
) -> Path:
    """Train a proposer, propose, filter, weigh; then again with the labels.

    Round 1 learns from base annotations, each later one also from the labels
    of the round before. What is finished is kept in
    ``work_dir/round_N``: the same command goes on where it was stopped.

    Args:
        config: File of a proposer's config.
        base: Base-only file.
        work_dir: For everything.
        rounds: How many.
        rules, weight: See :func:`filter_file` and :func:`weigh_file`.
        options: Of the command line, for the config.
        amp: See :func:`~declip_mm.apis.switch_amp`.

    Returns:
        The pseudo-label file of the last round.
    """
    from ..detection.pseudo.base_only import read_base_only

    read_base_only(base)  # before anything is trained
    writable_folder(work_dir)
    _same_settings(
        work_dir / 'settings.json',
        dict(
            config=config,
            base=str(base.resolve()),
            rules=asdict(rules),
            weight=weight,
            options={k: str(v) for k, v in (options or {}).items()},
        ),
    )
    labels = None
    for number in range(1, rounds + 1):
        folder = work_dir / f'round_{number}'
        made = folder / 'pseudo.json'
        kept = f'The same command goes on in {folder}.'
        if not made.is_file():
            with say_what_is_kept(lambda kept=kept: kept):
                _one_round(
                    lambda: load_config(config, options),
                    *(config, base, labels, folder, rules, weight, amp),
                )
        labels = made
    return labels


def _same_settings(path: Path, wanted: dict) -> None:
    """Refuse a folder that another command has begun."""
    if path.is_file():
        found = json.loads(path.read_text('utf-8'))
        other = [key for key in wanted if found.get(key) != wanted[key]]
        if other:
            raise OptionError(
                f'{path.parent} was begun with other {" and ".join(other)}: '
                f'{ {k: found.get(k) for k in other} }, now '
                f'{ {k: wanted[k] for k in other} }. Give another folder'
            )
    write_json(path, wanted)


def _one_round(
    fresh: Any,
    source: str,
    base: Path,
    labels: Path | None,
    folder: Path,
    rules: Any,
    weight: str,
    amp: bool | None,
) -> None:
    """Train, propose, filter, weigh; parts that are there are kept."""

    def config() -> Config:
        cfg = fresh()
        check_kind(cfg, source, ('ObjectProposer',))
        use_base_file(cfg, base, labels)
        cfg.work_dir = str(folder / 'proposer')
        return cfg

    checkpoint = folder / 'proposer.pth'
    if not checkpoint.is_file():
        _train(config(), checkpoint, amp)
    proposals = folder / 'proposals.json'
    if not proposals.is_file():
        write_proposals(
            config(), source, str(checkpoint), proposals, 'train', _MOST, 0.0
        )
    filtered = folder / 'filtered.json'
    counts = filter_file(proposals, base, filtered, rules)
    told = weigh_file(
        filtered,
        folder / 'pseudo.json',
        weight,
        config(),
        source,
        str(checkpoint),
    )
    print_log(f'{folder.name}: {counts}, weights {weight}: {told}', 'current')
    write_json(folder / 'counts.json', dict(**counts, separation=told))


def _train(cfg: Config, checkpoint: Path, amp: bool | None) -> None:
    """Train a proposer, from its newest checkpoint if there is one."""
    switch_amp(cfg, amp)
    # what it finds in validation is no business of the pseudo labels
    for key in ('val_dataloader', 'val_evaluator', 'val_cfg'):
        cfg[key] = None
    cfg.load_from = find_resume_point(cfg.work_dir)
    cfg.resume = cfg.load_from is not None
    check_config(cfg)
    build_runner(cfg).train()
    last = find_resume_point(cfg.work_dir)
    if last is None:
        raise OptionError(
            f'training left no checkpoint in {cfg.work_dir}; the config '
            'needs default_hooks.checkpoint'
        )
    Path(last).replace(checkpoint)
