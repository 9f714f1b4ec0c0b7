"""Proposals of a base-class RPN as a COCO file, for proposal distillation.

    python tools/dataset_converters/proposals.py CONFIG CHECKPOINT OUT.json \\
        [--split train] [--max-per-image 20] [--min-score 0.5]

CONFIG is an F-ViT config, CHECKPOINT a detector trained with it, whose RPN
saw base classes only. The pictures are those of the config's train (default),
val or test loader. OUT.json has one class, ``object``, and a score with each
box; files are named as below the loader's folder of pictures. Pre-finetuning
takes the boxes in the place of grid cells with
--cfg-options train_dataloader.dataset.ann_file=OUT.json
train_dataloader.dataset.proposals=True.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

CLONE = Path(__file__).resolve().parents[2]
if (CLONE / 'declip_mm' / '__init__.py').is_file():
    # works from a clone that was never installed
    sys.path.insert(0, str(CLONE))

import torch
from mmengine.runner import Runner
from tqdm import tqdm

from declip_mm import apis
from declip_mm.checkpoint import atomically


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('out', type=Path)
    parser.add_argument(
        '--split', choices=('train', 'val', 'test'), default='train'
    )
    parser.add_argument('--max-per-image', type=apis.at_least(1), default=20)
    parser.add_argument('--min-score', type=float, default=0.5)
    parser.add_argument('--cfg-options', nargs='+', action=apis.ConfigOptions)
    return parser.parse_args(argv)


def build(args: argparse.Namespace) -> tuple[Any, Any]:
    """Detector in eval mode, and a loader of every picture of the split."""
    cfg = apis.load_config(args.config, args.cfg_options)
    cfg.load_from = apis.check_checkpoint(args.checkpoint)
    apis.switch_amp(cfg, False)
    apis.check_kind(cfg, args.config, ('FViT',))
    apis.writable_file(args.out)
    loader, dataset = cfg.test_dataloader, cfg.get(f'{args.split}_dataloader')
    if dataset is None:
        raise apis.OptionError(f'{args.config} has no {args.split}_dataloader')
    loader.dataset = dict(
        dataset.dataset,
        test_mode=True,
        skip_unlabelled=False,
        pipeline=loader.dataset.pipeline,
    )
    apis.use_safe_storage()
    runner = apis.build_runner(cfg)
    runner.load_or_resume()
    return runner.model.eval(), Runner.build_dataloader(loader)


@torch.no_grad()
def propose(
    model: Any, data: dict, root: str, most: int, least: float
) -> Iterator[tuple[dict, list[list[float]]]]:
    """(image record, rows of x, y, w, h, score) for a batch.

    Args:
        model: Detector in eval mode.
        data: Of the loader.
        root: Folder that file names are relative to.
        most, least: Number of boxes of a picture, score of each.
    """
    data = model.data_preprocessor(data, False)
    samples = data['data_samples']
    found = model.rpn_head.predict(
        model.extract_feat(data['inputs']), samples, rescale=True
    )
    for sample, instances in zip(samples, found):
        best = instances[instances.scores >= least][:most]
        boxes = best.bboxes.clone()
        boxes[:, 2:] -= boxes[:, :2]
        height, width = sample.ori_shape
        image = dict(
            id=sample.img_id,
            file_name=Path(os.path.relpath(sample.img_path, root)).as_posix(),
            height=height,
            width=width,
        )
        rows = torch.cat((boxes, best.scores[:, None]), dim=1)
        yield image, rows.tolist()


def _damaged(dataset: Any, root: str) -> set[str]:
    """Damaged pictures so far, named as in the file of proposals."""
    return {
        Path(os.path.relpath(path, root)).as_posix()
        for path in getattr(dataset, 'damaged', ())
    }


@apis.command
def main() -> None:
    args = parse_args()
    model, loader = build(args)
    root = loader.dataset.data_prefix.get('img', loader.dataset.data_root)
    images, notes = [], []
    for data in (bar := tqdm(loader, 'batches')):
        for image, rows in propose(
            model, data, root, args.max_per_image, args.min_score
        ):
            images.append(image)
            if image['file_name'] in _damaged(loader.dataset, root):
                continue  # a blank one stood in for it
            for x, y, w, h, score in rows:
                notes.append(
                    dict(
                        id=len(notes) + 1,
                        image_id=image['id'],
                        category_id=1,
                        bbox=[round(v, 2) for v in (x, y, w, h)],
                        area=round(w * h, 2),
                        iscrowd=0,
                        score=round(score, 4),
                    )
                )
        bar.set_postfix(boxes=len(notes))
    content = dict(
        info=dict(description=f'RPN proposals, {Path(args.config).name}'),
        images=images,
        annotations=notes,
        categories=[dict(id=1, name='object')],
    )
    with atomically(args.out) as part:
        part.write_text(json.dumps(content), 'utf-8')
    print(f'{len(images)} images, {len(notes)} boxes in {args.out}')


if __name__ == '__main__':
    main()
