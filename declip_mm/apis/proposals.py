"""Boxes of any object in the pictures of a data set, as a COCO file."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch.utils.data import Subset
from tqdm import tqdm

from .figure_key import figure_key
from .kept_lines import KeptLines
from .kinds import check_kind, model_type
from .launch import loaded_runner
from .options import OptionError
from .results import writable_file, write_json

__all__ = ['boxes_of', 'write_proposals']

#: Detectors with boxes of no class.
KINDS = ('FViT', 'ObjectProposer')


@torch.no_grad()
def boxes_of(
    model: Any, data: dict, most: int, least: float
) -> Iterator[tuple[Any, list[list[float]]]]:
    """(sample, rows of x, y, w, h, score) of each picture in a batch.

    Of an F-ViT these are the proposals of its RPN, of an ObjectProposer its
    detections; best first.

    Args:
        model: Detector in eval mode.
        data: Of the loader.
        most, least: Number of boxes of a picture, score of each.
    """
    data = model.data_preprocessor(data, False)
    samples = data['data_samples']
    if type(model).__name__ == 'ObjectProposer':
        found = [s.pred_instances for s in model.predict(**_named(data))]
    else:
        found = model.rpn_head.predict(
            model.extract_feat(data['inputs']), samples, rescale=True
        )
    for sample, instances in zip(samples, found):
        best = instances[instances.scores >= least][:most]
        low, high = best.bboxes.split(2, dim=1)
        rows = torch.cat((low, high - low, best.scores[:, None]), dim=1)
        yield sample, rows.tolist()


def _named(data: dict) -> dict:
    return dict(
        batch_inputs=data['inputs'], batch_data_samples=data['data_samples']
    )


def write_proposals(
    cfg: Config,
    source: str,
    checkpoint: str,
    out: Path,
    split: str = 'train',
    most: int = 20,
    least: float = 0.5,
) -> int:
    """Write the proposals of a detector; goes on where it was stopped.

    Pictures that could not be read have no box.

    Args:
        cfg: Of the detector; it is changed.
        source: File of the config, for messages.
        checkpoint: Of a detector trained with it.
        out: COCO file with one class, ``object``, and a ``score`` of each
            box; files are named as below the loader's folder of pictures.
        split: Whose pictures: ``'train'``, ``'val'`` or ``'test'``.
        most, least: Number of boxes of a picture, score of each.

    Returns:
        Number of boxes.
    """
    check_kind(cfg, source, KINDS)
    writable_file(out)
    loader, wanted = cfg.test_dataloader, cfg.get(f'{split}_dataloader')
    if wanted is None:
        raise OptionError(f'{source} has no {split}_dataloader')
    loader.dataset = dict(
        wanted.dataset,
        test_mode=True,
        skip_unlabelled=False,
        pipeline=loader.dataset.pipeline,
    )
    loader.dataset.pop('pseudo_file', None)
    cfg.load_from = checkpoint
    key = f'{figure_key(cfg)} {split} {most} {least}'
    model = loaded_runner(cfg, checkpoint).model.eval()
    data = DATASETS.build(loader.dataset)
    with KeptLines(out, key) as lines:
        _fill(lines, model, loader, data, most, least)
        count = _write(out, Path(source).name, model_type(cfg), data, lines)
        lines.finish()
    return count


def _fill(
    lines: KeptLines,
    model: Any,
    loader: Any,
    data: Any,
    most: int,
    least: float,
) -> None:
    """Boxes of the pictures that have none yet."""
    left = [
        index
        for index in range(len(data))
        if data.get_data_info(index)['img_id'] not in lines.found
    ]
    if not left:
        return
    done = len(data) - len(left)
    with tqdm(total=len(data), initial=done, desc='proposals') as bar:
        boxes = sum(map(len, lines.found.values()))
        for batch in Runner.build_dataloader(
            dict(loader, dataset=Subset(data, left))
        ):
            for sample, rows in boxes_of(model, batch, most, least):
                if sample.img_path in getattr(data, 'damaged', ()):
                    rows = []  # a blank one stood in for it
                lines.add(
                    sample.img_id, [[round(v, 4) for v in r] for r in rows]
                )
                boxes += len(rows)
                bar.update()
            lines.flush()
            bar.set_postfix(boxes=boxes)


def _write(
    out: Path, source: str, kind: str | None, data: Any, lines: KeptLines
) -> int:
    root = data.data_prefix.get('img', data.data_root)
    images, notes = [], []
    for index in range(len(data)):
        info = data.get_data_info(index)
        name = Path(os.path.relpath(info['img_path'], root)).as_posix()
        about = dict(
            file_name=name, height=info['height'], width=info['width']
        )
        images.append(dict(id=info['img_id'], **about))
        for x, y, w, h, score in lines.found[info['img_id']]:
            own = dict(id=len(notes) + 1, image_id=info['img_id'])
            box = [round(v, 2) for v in (x, y, w, h)]
            own.update(category_id=1, iscrowd=0, bbox=box)
            own.update(area=round(w * h, 2), score=round(score, 4))
            notes.append(own)
    content = dict(
        info=dict(description=f'proposals of {kind}, {source}'),
        images=images,
        annotations=notes,
        categories=[dict(id=1, name='object')],
    )
    write_json(out, content, indent=None)
    return len(notes)
