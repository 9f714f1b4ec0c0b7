"""Windows of a picture in batches, one by one, and one pass in their place.

    python benchmarks/segment_windows.py
    python benchmarks/segment_windows.py --model EVA02-B-16 --device cuda

The image tower alone, with random weights, which decide no time. The three
ways take turns, so that only their ratios are quoted. One pass sees another
picture than windows do: docs/segmentation.md has what that costs.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch
from mmengine.registry import MODELS

CLONE = Path(__file__).resolve().parents[1]
if (CLONE / 'declip_mm' / '__init__.py').is_file():
    sys.path.insert(0, str(CLONE))

import declip_mm  # noqa: E402, F401  (registers the backbone)
from declip_mm.models.zero_shot.windows import (  # noqa: E402
    encode_windows,
    place_windows,
)


def measure_segment_windows(
    device: str = 'cpu',
    model: str = 'EVA02-B-16',
    size: tuple[int, int] = (448, 592),
    window: int = 336,
    stride: int = 112,
    batch: int = 8,
    repeats: int = 5,
    dtype: torch.dtype = torch.float32,
) -> dict:
    """Medians of encoding one picture in three ways.

    Args:
        device: Where.
        model: open_clip name or json.
        size: (H, W) of the resized picture, whole patches.
        window, stride: Of the windows, in pixels.
        batch: Windows at a time.
        repeats: Turns; one more goes before.
        dtype: Of the tower.

    Returns:
        ``windows`` (how many), ``seconds`` of ``loop`` (a window at a time),
        ``batched`` and ``one_pass``, and ``ratios``: the loop's seconds over
        those of the other two.
    """
    backbone = MODELS.build(dict(type='DeCLIPViT', model=model))
    backbone.eval().to(device, dtype)
    image = torch.randn(3, *size, device=device, dtype=dtype)
    patch = backbone.visual.patch_size

    def encode(inputs: torch.Tensor) -> torch.Tensor:
        return backbone.forward_dense(inputs).content

    ways = dict(
        loop=(window, stride, 1),
        batched=(window, stride, batch),
        one_pass=(None, 1, 1),
    )
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, (side, step, at_once) in ways.items():
            start = time.perf_counter()
            with torch.inference_mode():
                (found,) = encode_windows(
                    [image], encode, side, step, patch, at_once
                )
            found.synchronise()
            spent[name].append(time.perf_counter() - start)
    seconds = {name: median(each[1:]) for name, each in spent.items()}
    return dict(
        device=device,
        model=Path(model).name,
        windows=len(place_windows(size, window, stride)),
        seconds=seconds,
        ratios={
            name: seconds['loop'] / seconds[name]
            for name in ('batched', 'one_pass')
        },
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--model', default='EVA02-B-16')
    parser.add_argument('--size', type=int, nargs=2, default=(448, 592))
    parser.add_argument('--window', type=int, default=336)
    parser.add_argument('--stride', type=int, default=112)
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--out', type=Path, help='json file')
    args = vars(parser.parse_args(argv))
    out, args['size'] = args.pop('out'), tuple(args['size'])
    report = measure_segment_windows(**args)
    print(json.dumps(report, indent=1))
    if out:
        out.write_text(json.dumps(report, indent=1) + '\n', 'utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
