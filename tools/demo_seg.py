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

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the clone

from declip_mm import apis
from declip_mm.apis.options import check_share


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    parser.add_argument(
        'config', help='config of configs/dense_seg or configs/cat_seg'
    )
    parser.add_argument(
        'checkpoint', help="checkpoint; 'none': what the config names"
    )
    apis.add_shared(
        parser,
        'images',
        '--background',
        '--threshold',
        '--max-side',
        '--device',
    )
    parser.add_argument('--names', required=True)
    parser.add_argument('--out', default='work_dirs/demo_seg')
    parser.add_argument('--batch-size', type=int, default=1)
    return parser.parse_args(args)


apis.help_first(__name__, parse_args)

from declip_mm.apis.results import check_image_run
from declip_mm.apis.segmented import tell_segmented


def check(args: argparse.Namespace) -> None:
    """All that can be refused before the model is loaded."""
    apis.load_config(args.config)
    check_share('threshold', args.threshold, 'probability')
    if args.batch_size < 1:
        raise apis.OptionError(
            f'--batch-size {args.batch_size}: it takes 1 picture or more'
        )
    check_image_run(args.images, args.out, args.device, args.max_side)


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
    return tell_segmented('demo_seg.py', found, args.out)


@apis.command
def main() -> int:
    return segment(parse_args())


if __name__ == '__main__':
    sys.exit(main())
