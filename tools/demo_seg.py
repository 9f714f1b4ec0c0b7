"""Segment pictures into free class names.

    python tools/demo_seg.py configs/dense_seg/ade20k.py CHECKPOINT \\
        photos/ --names 'red car,tree,sky'
    python tools/demo_seg.py configs/miniature/dense_seg.py none picture.jpg \\
        --names cat,apple --background stuff

Pictures are files, folders or patterns; --names may be a file (.txt: a name a
line, ``person; man; woman`` for several texts; .json) or a registered data
set. Writes OUT/overlays, OUT/labels and OUT/results.json.
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


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'config', help='config of configs/dense_seg or configs/cat_seg'
    )
    parser.add_argument(
        'checkpoint', help="checkpoint; 'none': what the config names"
    )
    parser.add_argument('pictures', nargs='+')
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
    parser.add_argument('--device', help='cuda:0, cpu ...')
    return parser.parse_args(args)


def segment(args: argparse.Namespace) -> None:
    none = args.checkpoint == 'none'
    segmentor = apis.DeCLIPSegInferencer(
        args.config,
        None if none else apis.check_checkpoint(args.checkpoint),
        args.names,
        None if args.background == 'none' else args.background,
        args.device,
    )
    found = segmentor(
        args.pictures,
        threshold=args.threshold,
        out_dir=args.out,
        batch_size=args.batch_size,
        return_labels=False,
    )
    print()
    for own in found['predictions']:
        shown = [
            f'{c["name"]} {100 * c["share"]:.0f} %' for c in own['classes']
        ]
        more = f' and {len(shown) - 8} more' if len(shown) > 8 else ''
        print(f'{own["path"]}: {", ".join(shown[:8])}{more}')
    print(f'overlays, label maps and results.json in {args.out}')


def main() -> None:
    args = parse_args()
    try:
        segment(args)
    except (apis.OptionError, ValueError, FileNotFoundError) as error:
        sys.exit(f'demo_seg.py: {error}')


if __name__ == '__main__':
    main()
