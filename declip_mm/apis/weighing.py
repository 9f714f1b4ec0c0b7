"""Foreground weights of pseudo labels, from a detector's frozen backbone."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import Subset
from tqdm import tqdm

from ..checkpoint import atomically
from .figure_key import figure_key
from .kept_lines import KeptLines
from .kinds import check_kind
from .launch import loaded_runner
from .options import OptionError
from .results import writable_file

__all__ = ['WEIGHTS', 'weigh_by_score', 'weigh_labels']

#: What a weight is made of.
WEIGHTS = ('rew', 'score', 'const')
#: Pictures that the estimator is fitted to, and tokens of each.
_PICTURES, _TOKENS = 2000, 64


def weigh_by_score(labels: Mapping[Any, list[dict]], path: Any) -> None:
    """Weights are the scores, in place.

    Raises:
        OptionError: A label has no score from 0 to 1.
    """
    for entry in (e for entries in labels.values() for e in entries):
        score = entry.get('score')
        if not isinstance(score, float) or not 0 < score <= 1:
            raise OptionError(
                f'{path}: a box has score={score!r:.40}; weights by score '
                'need a number above 0, at most 1, as filter writes them'
            )
        entry['weight'] = score


def weigh_labels(
    cfg: Config,
    source: str,
    checkpoint: str,
    labels: dict[Any, list[dict]],
    out: Path,
    pictures: int = _PICTURES,
) -> float:
    """Weights by reconstruction error, in place; goes on where it stopped.

    Args:
        cfg: Of an ObjectProposer, whose train data set is the base-only file;
            it is changed.
        source: File of the config, for messages.
        checkpoint: Of a proposer trained with it.
        labels: Picture -> pseudo labels.
        out: File that the labels go into; what is kept lies beside it.
        pictures: That the estimator is fitted to.

    Returns:
        How well known objects and background are told apart (AUC).
    """
    from ..detection.pseudo.foreground import ForegroundEstimator
    from ..detection.pseudo.label_file import check_pictures

    check_kind(cfg, source, ('ObjectProposer',))
    writable_file(out)
    train = dict(cfg.train_dataloader.dataset)
    train.pop('pseudo_file', None)
    loader = cfg.test_dataloader
    loader.dataset = dict(
        train, test_mode=True, pipeline=loader.dataset.pipeline
    )
    cfg.load_from = checkpoint
    key = f'{figure_key(cfg)} {pictures}'
    model = loaded_runner(cfg, checkpoint).model.eval()
    data = DATASETS.build(loader.dataset)
    infos = [data.get_data_info(i) for i in range(len(data))]
    listed = {info['img_id'] for info in infos}
    check_pictures('the file of labels to be weighed', labels, listed)
    kept = Path(f'{out}.estimator.pth')
    state = torch.load(kept, weights_only=True) if kept.is_file() else {}
    if state.get('key') != key:
        state = dict(_fit(model, loader, data, pictures).state(), key=key)
        with atomically(kept) as part:
            torch.save(state, part)
    estimator = ForegroundEstimator.load(state)
    with KeptLines(out, f'{key} {_boxes_key(labels)}') as lines:
        _weigh(lines, estimator, model, loader, data, labels)
        for image, entries in labels.items():
            for entry, weight in zip(entries, lines.found[image]):
                entry['weight'] = weight
        lines.finish()
    kept.unlink()
    return estimator.separation


def _boxes_key(labels: Mapping[Any, list[dict]]) -> str:
    """Hash of pictures and boxes: weights go to them by their order."""
    boxes = [
        [image, [entry['bbox'] for entry in entries]]
        for image, entries in labels.items()
    ]
    return hashlib.sha256(json.dumps(boxes).encode()).hexdigest()


def _maps(
    model: Any, loader: Any, data: Any, indices: Sequence[int], what: str
) -> Iterator[tuple[Any, Tensor, Tensor]]:
    """(sample, dense map (1, C, h, w), factor) of each picture.

    The factor takes x0 y0 x1 y1 in pixels of the picture to shares of the
    padded input.
    """
    part = Subset(data, list(indices))
    with tqdm(total=len(part), desc=what) as bar:
        for batch in Runner.build_dataloader(dict(loader, dataset=part)):
            batch = model.data_preprocessor(batch, False)
            dense = model.dense_map(batch['inputs']).cpu()
            height, width = batch['inputs'].shape[-2:]
            side = torch.tensor([width, height] * 2, dtype=torch.float)
            for sample, own in zip(batch['data_samples'], dense):
                scale = torch.tensor([*sample.scale_factor] * 2).float()
                yield sample, own[None], scale / side
                bar.update()


def _fit(model: Any, loader: Any, data: Any, pictures: int) -> Any:
    """The estimator, from some pictures with known objects."""
    from ..detection.pseudo.foreground import (
        background_boxes,
        fit_foreground,
        region_features,
    )

    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(data))[:pictures]
    boxes = {}
    for index in chosen:
        info = data.get_data_info(int(index))
        own = [i['bbox'] for i in info['instances']]
        boxes[info['img_id']] = torch.tensor(own).float().reshape(-1, 4)
    found: dict[str, list[Tensor]] = defaultdict(list)
    for sample, dense, factor in _maps(model, loader, data, chosen, 'fit'):
        if sample.img_path in getattr(data, 'damaged', ()):
            continue  # a blank one stood in for it
        known = boxes[sample.img_id]
        free = background_boxes(known, sample.ori_shape[:2], rng)
        for name, own in (('known', known), ('background', free)):
            if len(own):
                found[name].append(region_features(dense, [own * factor]))
        found['tokens'].append(_tokens(dense, sample, factor, rng))
    parts = {
        name: torch.cat(found[name]) if found[name] else torch.zeros(0, 1)
        for name in ('tokens', 'known', 'background')
    }
    estimator = fit_foreground(**parts)
    print_log(
        f'weights: {len(parts["known"])} known objects and '
        f'{len(parts["background"])} boxes of background, told apart in '
        f'{estimator.separation:.1%} of pairs.',
        logger='current',
    )
    return estimator


def _tokens(
    dense: Tensor, sample: Any, factor: Tensor, rng: np.random.Generator
) -> Tensor:
    """(T, C) of the picture, not of its padding; unit length."""
    height, width = sample.ori_shape[:2]
    columns = max(1, int(width * factor[0] * dense.shape[-1]))
    rows = max(1, int(height * factor[1] * dense.shape[-2]))
    tokens = dense[0, :, :rows, :columns].flatten(1).mT
    some = rng.permutation(len(tokens))[:_TOKENS]
    return F.normalize(tokens[torch.from_numpy(some)], dim=1)


def _weigh(
    lines: KeptLines,
    estimator: Any,
    model: Any,
    loader: Any,
    data: Any,
    labels: Mapping[Any, list[dict]],
) -> None:
    from ..detection.pseudo.foreground import region_features

    left = [
        index
        for index in range(len(data))
        if (image := data.get_data_info(index)['img_id']) in labels
        and image not in lines.found
    ]
    if not left:
        return
    for sample, dense, factor in _maps(model, loader, data, left, 'weigh'):
        own = torch.tensor([e['bbox'] for e in labels[sample.img_id]]).float()
        own[:, 2:] += own[:, :2]
        features = region_features(dense, [own * factor])
        weights = estimator.weights(estimator.errors(features))
        lines.add(sample.img_id, [round(float(w), 5) for w in weights])
        lines.flush()
