"""Time and memory of segmenting a large picture into many names.

    python benchmarks/dense_seg_memory.py
    python benchmarks/dense_seg_memory.py --model EVA02-B-16 --window 336
    python benchmarks/dense_seg_memory.py --reference

Random weights: they decide no memory. The text tower embeds the names first,
as in any second picture. Prints the process's highest resident memory above
what it holds with the model and the embeddings, and beside it what the scores
of all names at full size would take. With --reference the pixels are named a
second time, every name compared at every pixel, and both ways are compared.
Seconds are those of the processor.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

CLONE = Path(__file__).resolve().parents[1]
if (CLONE / 'declip_mm' / '__init__.py').is_file():
    sys.path.insert(0, str(CLONE))

import declip_mm.segmentation  # noqa: E402, F401  (registers the segmentor)
from declip_mm.models.zero_shot.arg_max import (  # noqa: E402
    best_by_pixels,
    best_query,
)

TINY = 'declip_mm://miniature/tiny_clip.json'


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--model', default=TINY, help='open_clip name or json')
    parser.add_argument('--window', type=int, default=168)
    parser.add_argument('--short-side', type=int, default=448)
    parser.add_argument('--names', type=int, default=1000)
    parser.add_argument('--size', type=int, nargs=2, default=(3000, 4000))
    parser.add_argument('--threshold', type=float, default=0.01)
    parser.add_argument(
        '--reference',
        action='store_true',
        help='compare with a look at every pixel',
    )
    parser.add_argument('--out', type=Path, help='json file')
    return parser.parse_args(argv)


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * resource.getpagesize()


def peak() -> int:
    """The most there ever was; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def build(args: argparse.Namespace) -> torch.nn.Module:
    """The segmentor, with embeddings of its names in place."""
    model = MODELS.build(
        dict(
            type='DenseCLIPSegmentor',
            backbone=dict(type='DeCLIPViT', model=args.model, affinity='csa'),
            text_encoder=dict(type='DeCLIPTextEncoder', model=args.model),
            prompts='name',
            vocabulary=[f'name {i}' for i in range(args.names)],
            data_preprocessor=dict(
                type='DenseSegPreprocessor', short_side=args.short_side
            ),
            test_cfg=dict(
                window=args.window,
                stride=args.window // 3,
                threshold=args.threshold,
            ),
        )
    ).eval()
    # Random embeddings: the text tower is not what is measured here.
    dim = model.backbone.visual.out_dim
    make = torch.Generator().manual_seed(0)
    matrix = torch.randn(args.names, dim, generator=make)
    rows = F.normalize(matrix, dim=-1)
    model.embedder._text_rows = lambda vocabulary, device: rows
    return model


def compare(
    model: torch.nn.Module, data: dict, args: argparse.Namespace
) -> dict:
    """Seconds of naming pixels both ways, and the share of equal ones."""
    inputs = model.data_preprocessor(data, False)['inputs']
    start = time.process_time()
    (features,) = model.encode(inputs)
    seconds = dict(encode_seconds=time.process_time() - start)
    texts, found = model._text_rows(features), []
    wanted = args.threshold > 0
    for name, way in (('cells', best_query), ('pixels', best_by_pixels)):
        start = time.process_time()
        best = way(features, texts, tuple(args.size), 40.0, wanted)
        seconds[f'{name}_seconds'] = time.process_time() - start
        found.append(best.index)
    same = float((found[0] == found[1]).double().mean())
    return {k: round(v, 1) for k, v in seconds.items()} | dict(equal=same)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    model = build(args)
    height, width = args.size
    image = torch.from_numpy(
        np.random.default_rng(0).integers(0, 255, (3, height, width), np.uint8)
    )
    sample = SegDataSample(metainfo=dict(ori_shape=(height, width)))
    data = dict(inputs=[image], data_samples=[sample])
    before, start = resident(), time.process_time()
    with torch.no_grad():
        (found,) = model.test_step(data)
    seconds, above = time.process_time() - start, max(0, peak() - before)
    assert found.pred_sem_seg.data.shape == (1, height, width)
    report = dict(
        model=Path(args.model).name,
        picture=[height, width],
        names=args.names,
        peak_mib_above_model=round(above / 2**20),
        scores_at_full_size_mib=round(4 * args.names * height * width / 2**20),
        seconds=round(seconds, 1),
    )
    if args.reference:
        with torch.no_grad():
            report |= compare(model, data, args)
    print(json.dumps(report, indent=1))
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + '\n', 'utf-8')
    return int(above > 2 * 2**30)


if __name__ == '__main__':
    sys.exit(main())
