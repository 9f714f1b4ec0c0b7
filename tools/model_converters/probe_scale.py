"""Tell from pictures with which affinity and scale a file was trained.

    python tools/model_converters/probe_scale.py FILE PICTURES [--model NAME]

Compares the dense feature at each cell of a 3 x 3 grid with the image
embedding of the cell's crop, both from the file itself, for every pair of
affinity and scale: distillation makes them alike for the pair it was run
with. No labels are needed, but a few hundred pictures; the verdict says where
the gap is too small to tell. A CLIP that was never distilled has no answer.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm.apis import (
    add_shared,
    at_least,
    command,
    help_first,
    tool_parser,
)


def parse_args() -> argparse.Namespace:
    parser = tool_parser(__doc__)
    number = at_least(1)
    parser.add_argument('file', help='weight file of any known layout')
    parser.add_argument('images', help='folder of images')
    parser.add_argument('--most', type=number, default=200, help='pictures')
    parser.add_argument(
        '--affinity', nargs='+', default=['qq', 'kk', 'vv', 'csa']
    )
    add_shared(parser, '--scale', nargs='+', default=[1.0, 'rsqrt'])
    parser.add_argument('--model', help='open_clip name or .json')
    parser.add_argument(
        '--size', type=number, help='side of the view (default: twice native)'
    )
    return parser.parse_args()


help_first(__name__, parse_args)

from declip_mm.apis.probe import judge, probe
from declip_mm.datasets.listing import check_folder, list_folder


@command
def main() -> None:
    args = parse_args()
    root = check_folder(args.images, 'folder of pictures')
    names = list_folder(root)
    step = max(1, len(names) // args.most)
    some = [root / n for n in names[::step][: args.most]]
    several = dict(affinities=args.affinity, scales=args.scale)
    found = probe(
        args.file,
        some,
        **several,
        image_size=args.size,
        model=args.model,
    )
    verdicts = [
        judge(found, name)
        for name in ('scale', 'affinity')
        if len(getattr(args, name)) > 1
    ]
    print(f'{len(some)} pictures, 9 cells each; cosine of cell and crop,')
    print("and how often the cell's own crop is the nearest of the picture's")
    for candidate in found:
        print(
            f'  {candidate.label:24} {candidate.cosine.mean():.4f}  '
            f'{100 * candidate.found.mean():5.1f} %'
        )
    print(*verdicts, sep='\n')
