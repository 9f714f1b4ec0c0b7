"""Peak memory and time of a full-size CAT-Seg, with random weights.

    python tools/analysis_tools/cat_seg_memory.py \\
        configs/cat_seg/declip_eva02-b16_ade150.py --names 171 847 2000
    python tools/analysis_tools/cat_seg_memory.py \\
        configs/cat_seg/declip_eva02-b16_coco-stuff.py --train

Prints, for each number of names, the memory above that of the model: of the
process on a CPU, of the allocator on a GPU. On a CPU every number of names has
a process of its own: memory that an earlier one left to the allocator would
hide part of what a later one takes.
"""

import argparse
import logging
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm import apis


def parse_args() -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    apis.add_shared(parser, 'config')
    apis.add_shared(parser, '--cfg-options', default={})
    apis.add_shared(parser, '--device', default='cpu')
    size = apis.at_least(1)
    parser.add_argument('--names', type=size, nargs='+', default=[171])
    parser.add_argument(
        '--side', type=apis.at_least(16), help='640, or 384 with --train'
    )
    parser.add_argument('--train', action='store_true')
    parser.add_argument('--crop-batch', type=size, help='views at a time')
    return parser.parse_args()


apis.help_first(__name__, parse_args)

import torch
from mmengine.logging import MMLogger
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

import declip_mm.segmentation  # noqa: F401  (registers the models)


def resident() -> int:
    """Bytes of this process that are in memory now."""
    fields = Path('/proc/self/statm').read_text().split()
    return int(fields[1]) * resource.getpagesize()


def highest(done: Event) -> int:
    """The most that are in memory until ``done``."""
    most = 0
    while not done.wait(0.005):
        most = max(most, resident())
    return most


@contextmanager
def peak(device: torch.device) -> Iterator[dict]:
    """Highest memory within a block, above that at its begin, and its time.

    Yields:
        What ``bytes`` and ``seconds`` are written to.
    """
    found, start = {}, time.time()
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats()
        first = torch.cuda.memory_allocated()
        yield found
        most = torch.cuda.max_memory_allocated()
    else:
        first, done = resident(), Event()
        with ThreadPoolExecutor(1) as pool:
            watch = pool.submit(highest, done)
            try:
                yield found
            finally:
                done.set()
        most = watch.result()
    found.update(bytes=most - first, seconds=time.time() - start)


def build(path: str, options: dict, device: torch.device):
    config = apis.load_config(path)
    config.merge_from_dict(options)
    cfg = config.model
    for encoder in (cfg.backbone, cfg.text_encoder):
        encoder.pop('init_cfg', None)
    return MODELS.build(cfg).to(device)


def measure(model, names: int, side: int, train: bool) -> dict:
    """One prediction, or one step forward and backward."""
    device = next(model.parameters()).device
    model.set_vocabulary([f'name {i}' for i in range(names)])
    images = torch.randn(1, 3, side, side, device=device)
    labels = torch.randint(0, names, (1, side, side), device=device)
    sample = SegDataSample(
        gt_sem_seg=PixelData(data=labels),
        metainfo=dict(ori_shape=(side, side)),
    )
    model.train(train)
    if not train:
        with peak(device) as found, torch.inference_mode():
            model(images, [sample], mode='predict')
        assert sample.pred_sem_seg.data.shape == (1, side, side)
        return found
    with peak(device) as found:
        model(images, [sample], mode='loss')['loss_seg'].backward()
    weights = [p for p in model.parameters() if p.requires_grad]
    assert all(p.grad is not None for p in weights)
    model.zero_grad(set_to_none=True)
    return found


@apis.command
def main() -> None:
    args = parse_args()
    apis.check_device(args.device)
    cfg = apis.load_config(args.config)
    apis.check_kind(cfg, args.config, ('OVCATSegmentor',))
    if args.device == 'cpu' and len(args.names) > 1:
        again = [sys.executable, *sys.argv, '--names']
        runs = [subprocess.run([*again, str(n)]) for n in args.names]
        # negative where a signal ended it, as for want of memory
        sys.exit(any(run.returncode for run in runs))
    MMLogger.get_current_instance().setLevel(logging.ERROR)
    model = build(args.config, args.cfg_options, torch.device(args.device))
    model.crop_batch = args.crop_batch or model.crop_batch
    side = args.side or (384 if args.train else 640)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    kind = 'training step' if args.train else 'prediction'
    print(f'{args.config}: {kind} at {side} px on {args.device}')
    print(f'weights {weights / 2**30:.2f} GiB')
    for names in args.names:
        found = measure(model, names, side, args.train)
        print(
            f'{names} names: {found["bytes"] / 2**30:.2f} GiB above the '
            f'model, {found["seconds"]:.1f} s',
            flush=True,
        )


if __name__ == '__main__':
    main()
