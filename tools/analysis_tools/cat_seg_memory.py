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

from __future__ import annotations

import logging
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import torch
from mmengine.logging import MMLogger
from mmengine.structures import PixelData

CLONE = Path(__file__).resolve().parents[2]
if (CLONE / 'declip_mm' / '__init__.py').is_file():
    # works from a clone that was never installed
    sys.path.insert(0, str(CLONE))

from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

import declip_mm.segmentation  # noqa: F401  (registers the models)
from declip_mm.apis import (
    ConfigOptions,
    at_least,
    check_device,
    check_kind,
    command,
    load_config,
    tool_parser,
)


def resident() -> int:
    """Bytes of this process that are in memory now."""
    fields = Path('/proc/self/statm').read_text().split()
    return int(fields[1]) * resource.getpagesize()


class Peak:
    """Highest memory within a block, above that at its begin, in bytes."""

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == 'cuda'

    def __enter__(self) -> Peak:
        self.start = time.time()
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
            self.first = torch.cuda.memory_allocated()
            return self
        self.first = self.most = resident()
        self.running = True
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while self.running:
            self.most = max(self.most, resident())
            time.sleep(0.005)

    def __exit__(self, *_: object) -> None:
        if self.cuda:
            self.most = torch.cuda.max_memory_allocated()
        else:
            self.running = False
            self.thread.join()
        self.bytes = self.most - self.first
        self.seconds = time.time() - self.start


def build(path: str, options: dict, device: torch.device):
    config = load_config(path)
    config.merge_from_dict(options)
    cfg = config.model
    for encoder in (cfg.image_encoder, cfg.text_encoder):
        encoder.pop('init_cfg', None)
    return MODELS.build(cfg).to(device)


def samples(count: int, side: int, names: int, device: torch.device) -> list:
    labels = torch.randint(0, names, (1, side, side), device=device)
    return [
        SegDataSample(
            gt_sem_seg=PixelData(data=labels),
            metainfo=dict(ori_shape=(side, side)),
        )
        for _ in range(count)
    ]


def measure(model, names: int, side: int, train: bool) -> Peak:
    """One prediction, or one step forward and backward."""
    device = next(model.parameters()).device
    model.set_vocabulary([f'name {i}' for i in range(names)])
    images = torch.randn(1, 3, side, side, device=device)
    data = samples(1, side, names, device)
    model.train(train)
    if not train:
        with Peak(device) as peak, torch.inference_mode():
            (found,) = model(images, data, mode='predict')
        assert found.pred_sem_seg.data.shape == (1, side, side)
        return peak
    with Peak(device) as peak:
        model(images, data, mode='loss')['loss_seg'].backward()
    weights = [p for p in model.parameters() if p.requires_grad]
    assert all(p.grad is not None for p in weights)
    model.zero_grad(set_to_none=True)
    return peak


@command
def main() -> None:
    parser = tool_parser(__doc__)
    parser.add_argument('config')
    parser.add_argument('--names', type=at_least(1), nargs='+', default=[171])
    parser.add_argument(
        '--side', type=at_least(16), help='640, or 384 with --train'
    )
    parser.add_argument('--train', action='store_true')
    parser.add_argument('--device', default='cpu')
    parser.add_argument(
        '--crop-batch', type=at_least(1), help='views at a time'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=ConfigOptions, default={}
    )
    args = parser.parse_args()
    check_device(args.device)
    check_kind(load_config(args.config), args.config, ('OVCATSegmentor',))
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
        peak = measure(model, names, side, args.train)
        print(
            f'{names} names: {peak.bytes / 2**30:.2f} GiB above the model, '
            f'{peak.seconds:.1f} s',
            flush=True,
        )


if __name__ == '__main__':
    main()
