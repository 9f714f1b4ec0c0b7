"""Segment pictures into free class names.

    python tools/demo_seg.py configs/dense_seg/ade20k.py CHECKPOINT \\
        photos/ --names 'red car,tree,sky'
    python tools/demo_seg.py configs/miniature/dense_seg.py none picture.jpg \\
        --names cat,apple --background stuff

Pictures are files, folders or patterns; --names may be a file (.txt: a name a
line, ``person; man; woman`` for several texts; .json) or a registered data
set. Writes OUT/overlays, OUT/labels and OUT/results.json. A picture that
cannot be used is named, the others are done, and the exit code is 1.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

CLONE = Path(__file__).resolve().parents[1]
if (CLONE / 'declip_mm' / '__init__.py').is_file():
    # works from a clone that was never installed
    sys.path.insert(0, str(CLONE))

from declip_mm import apis
from declip_mm.apis.images import find_images, tell_failed


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    parser.add_argument(
        'config', help='config of configs/dense_seg or configs/cat_seg'
    )
    parser.add_argument(
        'checkpoint', help="checkpoint; 'none': what the config names"
    )
    parser.add_argument('images', nargs='+')
    parser.add_argument('--names', required=True)
    parser.add_argument(
        '--background',
        default='auto',
        help="texts of a class background, 'stuff' (26 words), 'none', or "
        "'auto': 'stuff' for a single name",
    )
    parser.add_argument(
        '--threshold', type=float, help='least probability of a class, 0 to 1'
    )
    parser.add_argument('--out', default='work_dirs/demo_seg')
    parser.add_argument('--batch-size', type=int, default=1)
    parser.add_argument(
        '--max-side',
        type=int,
        help='scale pictures with a longer side down to it (default: never)',
    )
    parser.add_argument('--device', help='cuda:0, cpu ...')
    return parser.parse_args(args)


def check(args: argparse.Namespace) -> None:
    """All that can be refused before the model is loaded."""
    apis.load_config(args.config)
    apis.check_device(args.device)
    if args.threshold is not None and not 0 <= args.threshold <= 1:
        raise apis.OptionError(
            f'--threshold {args.threshold} is no probability: allowed are 0 '
            'to 1'
        )
    if args.batch_size < 1:
        raise apis.OptionError(
            f'--batch-size {args.batch_size}: it takes 1 picture or more'
        )
    find_images(args.images)
    apis.writable_folder(args.out)


def segment(args: argparse.Namespace) -> int:
    """Exit code: 1 if a picture could not be used, which was named."""
    check(args)
    none = args.checkpoint == 'none'
    segmentor = apis.DeCLIPSegInferencer(
        args.config,
        None
        if none
        else apis.check_checkpoint(args.checkpoint, folders=False),
        args.names,
        None if args.background == 'none' else args.background,
        args.device,
    )
    found = segmentor(
        args.images,
        threshold=args.threshold,
        out_dir=args.out,
        batch_size=args.batch_size,
        return_labels=False,
        max_side=args.max_side,
    )
    print()
    for own in found['predictions']:
        shown = [
            f'{c["name"]} {100 * c["share"]:.0f} %' for c in own['classes']
        ]
        more = f' and {len(shown) - 8} more' if len(shown) > 8 else ''
        print(f'{own["path"]}: {", ".join(shown[:8])}{more}')
    print(f'overlays, label maps and results.json in {args.out}')
    return tell_failed('demo_seg.py', found)


@apis.command
def main() -> int:
    return segment(parse_args())


if __name__ == '__main__':
    sys.exit(main())
