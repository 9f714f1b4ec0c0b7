"""Activation memory of dense features over the number of patches.

    python benchmarks/dense_memory.py --layers 2
    python benchmarks/dense_memory.py --device cuda

The highest that one pass without gradients holds beside weights and picture,
and the straight line through it: bytes for each token, and how far from the
line any size is. Every block needs the same, so that few layers say it all.
Random weights.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.registry import MODELS

CLONE = Path(__file__).resolve().parents[1]
if (CLONE / 'declip_mm' / '__init__.py').is_file():
    sys.path.insert(0, str(CLONE))

import declip_mm  # noqa: E402, F401  (registers the backbone)
from declip_mm.benchmark.clock import peak_bytes  # noqa: E402
from declip_mm.models.towers import read_model_config  # noqa: E402

SIZES = (512, 768, 1024, 1536, 2048)


def build(model: Any, layers: int | None, device: str) -> torch.nn.Module:
    """The backbone, cut to some layers."""
    config = read_model_config(model)
    if layers is not None:
        vision = dict(config['vision_cfg'])
        if vision.get('timm_model_name'):
            inner = dict(vision.get('timm_kwargs') or {}, depth=layers)
            vision['timm_kwargs'] = inner
        else:
            vision['layers'] = layers
        config = dict(config, vision_cfg=vision)
    made = MODELS.build(dict(type='DeCLIPViT', model=config, affinity='csa'))
    return made.eval().to(device)


def dense_bytes(backbone: torch.nn.Module, size: int) -> int:
    """The most that a pass over a square picture holds at once."""
    device = next(backbone.parameters()).device
    image = torch.randn(1, 3, size, size, device=device)
    encode = torch.no_grad()(backbone.forward_dense)
    return peak_bytes(lambda: encode(image), device)


def fit(rows: Sequence[dict]) -> dict:
    """The straight line through tokens and bytes."""
    tokens, found = (
        np.array([row[name] for row in rows], float)
        for name in ('tokens', 'bytes')
    )
    slope, offset = np.polyfit(tokens, found, 1)
    off = np.abs(slope * tokens + offset - found) / found
    return dict(bytes_per_token=float(slope), largest_error=float(off.max()))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--model', default='EVA02-B-16')
    parser.add_argument('--layers', type=int, help='default: all')
    parser.add_argument('--sizes', type=int, nargs='+', default=SIZES)
    parser.add_argument('--out', type=Path, help='json file')
    args = parser.parse_args(argv)
    backbone = build(args.model, args.layers, args.device)
    patch, rows = backbone.visual.patch_size, []
    dense_bytes(backbone, args.sizes[0])  # whatever the first pass makes
    for size in args.sizes:
        found = dense_bytes(backbone, size)
        rows.append(dict(size=size, tokens=(size // patch) ** 2, bytes=found))
        print(f'{size} px: {found / 2**20:.1f} MiB', flush=True)
    report = dict(model=str(args.model), rows=rows, fit=fit(rows))
    print(json.dumps(report['fit']))
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + '\n', 'utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
