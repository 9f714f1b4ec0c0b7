"""Name every pixel of pictures with the weights of a DeCLIP backbone.

Needs neither mmcv nor mmseg. Pictures are files, folders or patterns; names
are a list, or a file (.txt: a name a line, ``person; man`` for several texts
of one; .json). Writes OUT/overlays, OUT/labels and OUT/results.json; label
255 (or 65535) is no class.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence

from ..apis.command import command
from ..apis.options import (
    add_shared,
    at_least,
    check_share,
    help_first,
    tool_parser,
)

__all__ = ['main', 'parse_args']


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = tool_parser(__doc__, prog='declip segment')
    add_shared(parser, 'images', '--background', '--max-side', '--device')
    add_shared(parser, '--threshold', default=0.0)
    parser.add_argument(
        '--weights',
        required=True,
        help='exported backbone, folder or hub repository',
    )
    parser.add_argument('--names', required=True, help="'cup,pear' or a file")
    parser.add_argument(
        '--text',
        help='weight file or open_clip tag of the text tower (default: what '
        'the weights name)',
    )
    parser.add_argument(
        '--prompts',
        help="prompt set, such as 'openai' or 'name' (default: what the "
        'weights were measured with)',
    )
    parser.add_argument(
        '--short-side',
        type=at_least(16),
        help='pixels that the short side is scaled to (default: what the '
        'weights were trained at)',
    )
    parser.add_argument(
        '--window',
        type=at_least(16),
        help='side of sliding windows in pixels (default: one pass)',
    )
    parser.add_argument('--out', default='work_dirs/segment')
    return parser.parse_args(argv)


help_first(__name__, parse_args, 'segment')

from ..apis.images import ReadImage
from ..apis.results import check_image_run, run_over_images
from ..apis.segmented import keep_segmented, results_head, tell_segmented
from ..evaluation.label_files import no_class_label, smallest_kind
from ..models.text import Vocabulary
from ..models.zero_shot import DenseEncoder
from ..visualization.colours import class_palette


def check(args: argparse.Namespace) -> None:
    """All that can be refused before weights are read."""
    check_share('threshold', args.threshold, 'probability')
    background = None if args.background == 'none' else args.background
    args.names = Vocabulary.of(args.names, background=background)
    check_image_run(args.images, args.out, args.device, args.max_side)


def segment(args: argparse.Namespace) -> dict:
    """What was found in each picture, and which could not be used."""
    encoder = DenseEncoder(
        args.weights,
        args.text,
        short_side=args.short_side,
        window=args.window,
        prompts=args.prompts,
        device=args.device,
    )
    classes = args.names.classes
    palette, none = class_palette(classes), no_class_label(len(classes))

    def keep(batch: list[ReadImage]) -> Iterator[tuple[dict, dict]]:
        for picture in batch:
            labels = encoder.segment(
                picture.image, args.names, args.threshold
            ).labels
            labels = labels.masked_fill_(labels < 0, none).cpu().numpy()
            own, _ = keep_segmented(
                picture, smallest_kind(labels), classes, palette, args.out
            )
            yield own, own

    head = results_head(classes, palette)
    return run_over_images(
        args.images, keep, head, args.out, max_side=args.max_side
    )


@command(tool='declip segment')
def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    check(args)
    return tell_segmented('declip segment', segment(args), args.out)


if __name__ == '__main__':
    sys.exit(main())
