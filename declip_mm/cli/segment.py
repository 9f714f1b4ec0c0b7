"""Name every pixel of pictures with the weights of a DeCLIP backbone.

Needs neither mmcv nor mmseg. Pictures are files, folders or patterns; names
are a list, or a file (.txt: a name a line, ``person; man`` for several texts
of one; .json). Writes OUT/overlays, OUT/labels and OUT/results.json; label
255 (or 65535) is no class.
"""

import argparse
import sys
from collections.abc import Sequence

from mmengine.utils import ProgressBar

from ..apis.arguments import at_least
from ..apis.command import command
from ..apis.devices import check_device
from ..apis.images import (
    check_max_side,
    find_images,
    path_of,
    read_images,
    tell_failed,
)
from ..apis.options import OptionError
from ..apis.results import ResultsFile, writable_folder
from ..apis.segmented import keep_segmented, results_head
from ..evaluation.label_files import no_class_label, smallest_kind
from ..models.text import parse_names, with_background
from ..models.zero_shot import DenseEncoder
from ..visualization.colours import class_palette

__all__ = ['main', 'parse_args']


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='declip segment',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('images', nargs='+')
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
        '--background',
        default='auto',
        help="texts of a class background, 'stuff' (26 words), 'none', or "
        "'auto': 'stuff' for a single name",
    )
    parser.add_argument(
        '--prompts',
        help="prompt set, such as 'openai' or 'name' (default: what the "
        'weights were measured with)',
    )
    parser.add_argument(
        '--threshold',
        type=float,
        default=0.0,
        help='least probability of a class, 0 to 1',
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
    parser.add_argument(
        '--max-side',
        type=int,
        help='scale pictures with a longer side down to it (default: never)',
    )
    parser.add_argument('--out', default='work_dirs/segment')
    parser.add_argument('--device', help='cuda:0, cpu ...')
    return parser.parse_args(argv)


def check(args: argparse.Namespace) -> None:
    """All that can be refused before weights are read."""
    if not 0 <= args.threshold <= 1:
        raise OptionError(
            f'--threshold {args.threshold} is no probability: allowed are 0 '
            'to 1'
        )
    check_max_side(args.max_side)
    args.device = check_device(args.device)
    background = None if args.background == 'none' else args.background
    args.names = with_background(parse_names(args.names), background)
    args.sources = find_images(args.images)
    writable_folder(args.out)


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
    classes = list(args.names)
    palette, none = class_palette(classes), no_class_label(len(classes))
    paths = [path_of(source) for source in args.sources]
    bar, found = ProgressBar(len(paths)), []
    head = results_head(classes, palette)
    with ResultsFile(args.out, head, paths) as results:
        for picture in read_images(args.sources, args.max_side, results.fail):
            labels = encoder.segment(
                picture.image, args.names, args.threshold
            ).labels
            labels = labels.masked_fill_(labels < 0, none).cpu().numpy()
            own, _ = keep_segmented(
                picture, smallest_kind(labels), classes, palette, args.out
            )
            results.add(picture.source or picture.name, own)
            found.append(own)
            bar.update()
    results.check()
    return dict(predictions=found, failed=results.failed)


@command(tool='declip segment')
def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    check(args)
    found = segment(args)
    print()
    for own in found['predictions']:
        shares = [
            f'{c["name"]} {100 * c["share"]:.0f} %' for c in own['classes'][:8]
        ]
        print(f'{own["path"]}: {", ".join(shares)}')
    print(f'overlays, label maps and results.json in {args.out}')
    return tell_failed('declip segment', found)


if __name__ == '__main__':
    sys.exit(main())
