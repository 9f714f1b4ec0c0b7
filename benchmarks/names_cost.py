"""What naming costs beside the pass of the image tower.

    python benchmarks/names_cost.py
    python benchmarks/names_cost.py --device cuda --repeats 20

One picture in one pass; names whose embeddings are there, as for any second
picture. The parts take turns, so that only their shares are quoted: scores of
all names on the patch grid, then the best name of every pixel, at the size
that the tower saw and of a photograph of 12 megapixels. Random weights and
embeddings; features are as unlike as these make them.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from mmengine.registry import MODELS

CLONE = Path(__file__).resolve().parents[1]
if (CLONE / 'declip_mm' / '__init__.py').is_file():
    sys.path.insert(0, str(CLONE))

import declip_mm  # noqa: E402, F401  (registers the backbone)
from declip_mm.benchmark.clock import interleaved  # noqa: E402
from declip_mm.models.zero_shot.arg_max import best_query  # noqa: E402
from declip_mm.models.zero_shot.windows import ImageFeatures  # noqa: E402


def measure_names_cost(
    device: str = 'cpu',
    model: str = 'EVA02-B-16',
    size: int = 1024,
    names: int = 1203,
    photo: tuple[int, int] = (3464, 3464),
    repeats: int = 5,
) -> dict:
    """Medians of the parts, and their share of the pass.

    Args:
        device: Where.
        model: open_clip name or json.
        size: Side of the picture that the tower sees.
        names: How many.
        photo: (H, W) of the photograph.
        repeats: Turns; one more goes before.

    Returns:
        ``seconds`` and ``shares`` of ``patch_grid``, ``pixels`` and
        ``photo``.
    """
    backbone = MODELS.build(dict(type='DeCLIPViT', model=model))
    backbone.eval().to(device)
    image = torch.randn(1, 3, size, size, device=device)
    make = torch.Generator().manual_seed(0)
    texts = torch.randn(names, backbone.visual.out_dim, generator=make)
    texts = F.normalize(texts, dim=1).to(device)
    patch, kept = backbone.visual.patch_size, []

    def encode() -> None:
        content = backbone.forward_dense(image).content[0].float()
        unit = F.normalize(content, dim=0)
        kept[:] = [ImageFeatures.of_whole(unit, (size, size), patch)]

    def on_patches() -> None:
        torch.einsum('chw,qc->qhw', kept[0].maps[0], texts)

    def at(target: tuple[int, int]) -> Callable[[], None]:
        return lambda: best_query(kept[0], texts, target, 40.0, False)

    parts = {
        'pass': encode,
        'patch_grid': on_patches,
        'pixels': at((size, size)),
        'photo': at(photo),
    }
    inference = {n: torch.inference_mode()(p) for n, p in parts.items()}
    taken = interleaved(inference, torch.device(device), repeats)
    seconds = {name: median(each) for name, each in taken.items()}
    return dict(
        device=device,
        model=Path(model).name,
        size=size,
        names=names,
        photo=list(photo),
        seconds=seconds,
        shares={
            name: one / seconds['pass']
            for name, one in seconds.items()
            if name != 'pass'
        },
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--model', default='EVA02-B-16')
    parser.add_argument('--size', type=int, default=1024)
    parser.add_argument('--names', type=int, default=1203)
    parser.add_argument('--photo', type=int, nargs=2, default=(3464, 3464))
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--out', type=Path, help='json file')
    args = vars(parser.parse_args(argv))
    out, args['photo'] = args.pop('out'), tuple(args['photo'])
    report = measure_names_cost(**args)
    print(json.dumps(report, indent=1))
    if out:
        out.write_text(json.dumps(report, indent=1) + '\n', 'utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
