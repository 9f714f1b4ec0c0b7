"""One training step of a pre-finetuning config, with random weights.

    python tools/analysis_tools/step_configs.py \\
        configs/declip/pretune_dinov2.py --size 560 --crops 4

Shows that a config works at full size where its weights are not at hand:
builds it, makes one step on noise (batch 1) and prints time and memory.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]  # the clone

from step_options import step_parser

from declip_mm import apis


def parse_args(argv: list | None = None) -> argparse.Namespace:
    parser = step_parser(__doc__)
    parser.add_argument(
        '--crops', type=apis.at_least(1), default=4, help='of the picture'
    )
    return parser.parse_args(argv)


apis.help_first(__name__, parse_args)

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS
from mmengine.structures import BaseDataElement

from declip_mm.apis.cached_config import plain_teacher


def without_weights(node: Any) -> Any:
    """The config with every ``pretrained`` left out; nothing is fetched."""
    if isinstance(node, dict):
        return {
            k: without_weights(v) for k, v in node.items() if k != 'pretrained'
        }
    if isinstance(node, (list, tuple)):
        return type(node)(without_weights(v) for v in node)
    return node


def noise(model: torch.nn.Module, size: int, crops: int) -> dict[str, Any]:
    """What a data loader would give for one picture of ``size`` px."""
    generator = torch.Generator().manual_seed(0)

    def view(*shape: int) -> torch.Tensor:
        return torch.randint(256, shape, generator=generator).byte()

    native = model.backbone.visual.native_size
    inputs = dict(
        image=[view(3, size, size)], crops=[view(crops, 3, native, native)]
    )
    teacher = model.context_teacher
    if teacher is not None:
        grid = size // model.backbone.visual.patch_size
        inputs['vfm'] = [view(3, grid * teacher.stride, grid * teacher.stride)]
    corners = torch.rand(crops, 2, 2, generator=generator).sort(dim=1)[0]
    sample = BaseDataElement(
        boxes=corners.flatten(1), valid_hw=torch.tensor([1.0, 0.75])
    )
    return dict(inputs=inputs, data_samples=[sample])


def optimise(model: torch.nn.Module, cfg: Config, data: dict) -> dict:
    """One step in full precision; its losses.

    Raises:
        RuntimeError: A parameter trains and gets no gradient.
    """
    options = dict(cfg.optim_wrapper.to_dict(), type='OptimWrapper')
    for key in ('loss_scale', 'dtype'):  # of mixed precision
        options.pop(key, None)
    optimizer = build_optim_wrapper(model, options)
    data = model.train().data_preprocessor(data, True)
    total, losses = model.parse_losses(model(**data, mode='loss'))
    optimizer.backward(total)
    lost = [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and p.grad is None
    ]
    if lost:
        raise RuntimeError(f'trained, but without a gradient: {lost[:5]}')
    optimizer.step()
    return {k: round(float(v.detach()), 4) for k, v in losses.items()}


def step(cfg: Config, size: int, crops: int) -> dict[str, Any]:
    """Build and step once.

    Returns:
        Losses, seconds of building and of the step, peak resident memory of
        the process in GiB and its part before the step.
    """
    began = time.perf_counter()
    torch.manual_seed(0)
    config = without_weights(cfg.model.to_dict())
    for name in ('content_teacher', 'context_teacher'):
        if config.get(name):  # a cache would look for its file
            config[name] = plain_teacher(config[name])
    model = MODELS.build(config)
    before = peak_gib()
    built = time.perf_counter()
    losses = optimise(model, cfg, noise(model, size, crops))
    done = time.perf_counter()
    side = size // model.backbone.visual.patch_size
    return dict(
        tokens=side**2,
        losses=losses,
        build_seconds=round(built - began, 1),
        step_seconds=round(done - built, 1),
        peak_gib=round(peak_gib(), 2),
        built_gib=round(before, 2),
    )


def peak_gib() -> float:
    """Peak resident memory of this process so far (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def begin(args: argparse.Namespace, *kinds: str) -> Config:
    """The config of a command line, which has to build one of ``kinds``."""
    MMLogger.get_instance('step', log_level='ERROR')  # of every parameter
    cfg = apis.load_config(args.config)
    apis.check_kind(cfg, args.config, kinds)
    if args.out:
        apis.writable_file(args.out)
    return cfg


def tell(args: argparse.Namespace, found: dict[str, Any]) -> int:
    """Print figures as a line of json, and append it to a file."""
    about = dict(config=args.config, threads=torch.get_num_threads())
    line = json.dumps({**about, **found})
    print(line, flush=True)
    if args.out:
        with open(args.out, 'a', encoding='utf-8') as file:
            file.write(f'{line}\n')
    return 0


@apis.command
def main(argv: list | None = None) -> int:
    args = parse_args(argv)
    cfg = begin(args, 'DecoupledDistiller')
    size = args.size or cfg.train_dataloader.dataset.views.image_size
    found = step(cfg, size, args.crops)
    return tell(args, dict(size=size, crops=args.crops, **found))


if __name__ == '__main__':
    sys.exit(main())
