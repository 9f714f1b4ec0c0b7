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
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm import apis


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    apis.add_shared(parser, 'config', '--cfg-options')
    parser.add_argument('checkpoint')
    parser.add_argument('out', type=Path)
    parser.add_argument(
        '--split', choices=('train', 'val', 'test'), default='train'
    )
    parser.add_argument('--max-per-image', type=apis.at_least(1), default=20)
    parser.add_argument('--min-score', type=float, default=0.5)
    return parser.parse_args(argv)


apis.help_first(__name__, parse_args)

import torch
from mmengine.runner import Runner
from tqdm import tqdm


def build(args: argparse.Namespace) -> tuple[Any, Any]:
    """Detector in eval mode, and a loader of every picture of the split."""
    cfg = apis.load_config(args.config, args.cfg_options)
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
    runner = apis.loaded_runner(cfg, args.checkpoint)
    return runner.model.eval(), Runner.build_dataloader(loader)


@torch.no_grad()
def propose(
    model: Any, data: dict, most: int, least: float
) -> Iterator[tuple[Any, list[list[float]]]]:
    """(sample, rows of x, y, w, h, score) of each picture in a batch.

    Args:
        model: Detector in eval mode.
        data: Of the loader.
        most, least: Number of boxes of a picture, score of each.
    """
    data = model.data_preprocessor(data, False)
    samples = data['data_samples']
    found = model.rpn_head.predict(
        model.extract_feat(data['inputs']), samples, rescale=True
    )
    for sample, instances in zip(samples, found):
        best = instances[instances.scores >= least][:most]
        low, high = best.bboxes.split(2, dim=1)
        rows = torch.cat((low, high - low, best.scores[:, None]), dim=1)
        yield sample, rows.tolist()


@apis.command
def main() -> None:
    args = parse_args()
    model, loader = build(args)
    data = loader.dataset
    root = data.data_prefix.get('img', data.data_root)
    images, notes = [], []
    for batch in (bar := tqdm(loader)):
        for sample, rows in propose(
            model, batch, args.max_per_image, args.min_score
        ):
            name = Path(os.path.relpath(sample.img_path, root)).as_posix()
            height, width = sample.ori_shape
            about = dict(file_name=name, height=height, width=width)
            images.append(dict(id=sample.img_id, **about))
            if sample.img_path in getattr(data, 'damaged', ()):
                continue  # a blank one stood in for it
            for x, y, w, h, score in rows:
                own = dict(id=len(notes) + 1, image_id=sample.img_id)
                box = [round(v, 2) for v in (x, y, w, h)]
                own.update(category_id=1, iscrowd=0, bbox=box)
                own.update(area=round(w * h, 2), score=round(score, 4))
                notes.append(own)
        bar.set_postfix(boxes=len(notes))
    content = dict(
        info=dict(description=f'RPN proposals, {Path(args.config).name}'),
        images=images,
        annotations=notes,
        categories=[dict(id=1, name='object')],
    )
    apis.write_json(args.out, content, indent=None)
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
