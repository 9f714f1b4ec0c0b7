"""One training step and one prediction of a detector at full size.

    python tools/analysis_tools/step_detectors.py \\
        configs/f_vit/f-vit_eva02-b16_declip_ov-coco.py --out steps.jsonl

Takes configs of configs/f_vit and configs/ov_dquo. Shows that a detector
works where neither its weights nor its pictures are at hand: builds it with
random weights, embeds the benchmark's class names, makes one step on a picture
of noise with two boxes, predicts, and prints losses, time and memory. A
parameter that trains and gets no gradient is an error.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

from step_options import step_parser

from declip_mm import apis


def parse_args(argv: list | None = None) -> argparse.Namespace:
    return step_parser(__doc__).parse_args(argv)


apis.help_first(__name__, parse_args)

import numpy as np
import torch
from mmdet.datasets import LVISV1Dataset
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmdet.utils import register_all_modules
from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS
from mmengine.structures import InstanceData
from step_configs import begin, optimise, peak_gib, tell, without_weights

import declip_mm.detection  # noqa: F401  (registers the models)
from declip_mm.models.text.benchmarks import OV_COCO_BASE, OV_COCO_CLASSES

LVIS_BASE = 866


def build(cfg: Config) -> torch.nn.Module:
    """The detector with random weights; nothing is fetched."""
    model = ConfigDict(without_weights(cfg.model.to_dict()))
    model['backbone'].pop('init_cfg', None)
    # one prompt a name: how many there are changes neither shapes nor memory
    model['embedder'].update(prompts='name', cache_dir=None)
    return revert_sync_batchnorm(MODELS.build(model))


def class_names(cfg: Config) -> tuple[list, list]:
    """All names of the benchmark, and as many base names as it has."""
    if 'lvis' in cfg.test_dataloader.dataset.ann_file:
        names = list(LVISV1Dataset.METAINFO['classes'])
        return names, names[:LVIS_BASE]
    return list(OV_COCO_CLASSES), list(OV_COCO_BASE)


def noise(side: int, masks: bool) -> dict[str, Any]:
    """A picture of noise, two objects of the first two classes in it."""
    height, width = side * 3 // 4, side
    shape = (height, width)
    sample = DetDataSample(
        metainfo=dict(
            img_id=0, img_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0)
        )
    )
    boxes = torch.tensor([[2.0, 2, 30, 30], [20, 10, 60, 45]]) / 64 * side
    truth = InstanceData(bboxes=boxes, labels=torch.tensor([0, 1]))
    if masks:
        filled = np.zeros((2, height, width), np.uint8)
        for mask, (x1, y1, x2, y2) in zip(filled, boxes.int().tolist()):
            mask[y1:y2, x1:x2] = 1
        truth.masks = BitmapMasks(filled, height, width)
    sample.gt_instances = truth
    sample.ignored_instances = InstanceData(
        bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long)
    )
    picture = torch.randint(256, (3, height, width)).byte()
    return dict(inputs=[picture], data_samples=[sample])


def measure(cfg: Config, side: int) -> dict[str, Any]:
    """Build, embed, step, predict.

    Returns:
        Losses, detections, millions of parameters, seconds of each part,
        peak resident memory of the process in GiB after each.
    """
    torch.manual_seed(0)
    found: dict[str, Any] = dict(seconds={}, peak_gib={})
    began = time.perf_counter()

    def lap(part: str) -> None:
        nonlocal began
        now = time.perf_counter()
        found['seconds'][part] = round(now - began, 1)
        found['peak_gib'][part] = round(peak_gib(), 2)
        began = now

    model = build(cfg)
    lap('build')
    names, base = class_names(cfg)
    model.set_vocabulary(names, base=base)
    lap('vocabulary')
    data = noise(side, 'mask_head' in cfg.model.get('roi_head', ()))
    found['losses'] = optimise(model, cfg, data)
    lap('step')
    with torch.inference_mode():
        (sample,) = model.eval().test_step(data)
    lap('predict')
    weights = list(model.parameters())
    found.update(
        names=len(names),
        detections=len(sample.pred_instances),
        weights_m=round(sum(p.numel() for p in weights) / 1e6, 1),
        trained_m=round(
            sum(p.numel() for p in weights if p.requires_grad) / 1e6, 1
        ),
    )
    return found


@apis.command
def main(argv: list | None = None) -> int:
    args = parse_args(argv)
    cfg = begin(args, 'FViT', 'OVDQUO')
    register_all_modules()
    size = args.size or cfg.model.data_preprocessor.pad_size_divisor
    return tell(args, dict(size=size, **measure(cfg, size)))


if __name__ == '__main__':
    sys.exit(main())
