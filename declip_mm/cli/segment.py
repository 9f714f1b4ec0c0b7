"""Name every pixel of pictures with the weights of a DeCLIP backbone.

Needs neither mmcv nor mmseg. Pictures are files, folders or patterns; names
are a list, or a file (.txt: a name a line, ``person; man`` for several texts
of one; .json). Writes OUT/overlays, OUT/labels and OUT/results.json; label
255 (or 65535) is no class.

With --features the pictures were encoded before (declip encode): other names,
and no image tower.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from ..apis.command import command
from ..apis.options import (
    OptionError,
    add_encoder,
    add_shared,
    check_share,
    encoder_options,
    help_first,
    tool_parser,
)

__all__ = ['main', 'parse_args']


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = tool_parser(__doc__, prog='declip segment')
    add_shared(parser, 'images', '--background', '--max-side', '--device')
    add_shared(parser, '--threshold', default=0.0)
    parser.add_argument('--names', required=True, help="'cup,pear' or a file")
    add_encoder(parser)
    parser.add_argument(
        '--features',
        help='folder of declip encode, or the one file of a picture; in '
        'place of --weights',
    )
    parser.add_argument(
        '--verbose',
        action='store_true',
        help='say what was encoded, and the seconds of each part',
    )
    parser.add_argument('--out', default='work_dirs/segment')
    return parser.parse_args(argv)


help_first(__name__, parse_args, 'segment')

from tqdm import tqdm

from ..apis.encoded import KeptFeatures
from ..apis.images import ReadImage
from ..apis.results import check_image_run, run_over_images
from ..apis.segmented import keep_segmented, results_head, tell_segmented
from ..evaluation.label_files import no_class_label, smallest_kind
from ..models.text import Vocabulary
from ..models.text.embedder import TextEmbedder
from ..models.zero_shot import DenseEncoder, EncodedImage
from ..visualization.colours import class_palette


def check(args: argparse.Namespace) -> None:
    """All that can be refused before weights are read."""
    if (args.weights is None) == (args.features is None):
        raise OptionError(
            'pictures are encoded by --weights FILE, or were before and are '
            f'in --features FOLDER: give one of them, got '
            f'{"neither" if args.weights is None else "both"}'
        )
    moot = [
        f'--{name.replace("_", "-")}'
        for name in ('short_side', 'window', 'stride', 'batch')
        if args.features is not None and getattr(args, name) is not None
    ]
    if moot:
        raise OptionError(
            f'{", ".join(moot)} decide how pictures are encoded, which '
            '--features were already; give them to declip encode'
        )
    check_share('threshold', args.threshold, 'probability')
    background = None if args.background == 'none' else args.background
    args.names = Vocabulary.of(args.names, background=background)
    check_image_run(args.images, args.out, args.device, args.max_side)


#: The features of a picture, and what embeds the names.
_Encode = Callable[[ReadImage], tuple[EncodedImage, TextEmbedder]]


def _encoding(args: argparse.Namespace) -> _Encode:
    """With the image tower, picture by picture."""
    encoder = DenseEncoder(args.weights, args.text, **encoder_options(args))

    def encode(picture: ReadImage) -> tuple[EncodedImage, TextEmbedder]:
        return encoder.encode_dense(picture.image), encoder.embedder

    return encode


def segment(args: argparse.Namespace) -> dict:
    """What was found in each picture, and which could not be used."""
    classes = args.names.classes
    palette, none = class_palette(classes), no_class_label(len(classes))
    usable = None
    if args.features is None:
        encode = _encoding(args)
    else:
        kept = KeptFeatures(
            args.features, args.text, args.prompts, args.device
        )
        encode, usable = kept.take, kept.usable

    def keep(batch: list[ReadImage]) -> Iterator[tuple[dict, dict]]:
        for picture in batch:
            start = time.perf_counter()
            encoded, side = encode(picture)
            encoded.features.synchronise()
            middle = time.perf_counter()
            labels = encoded.ask(
                args.names, side, threshold=args.threshold, with_scores=False
            ).labels
            labels = labels.masked_fill_(labels < 0, none).cpu().numpy()
            if args.verbose:
                spent = middle - start, time.perf_counter() - middle
                tqdm.write(_told(picture, encoded, len(classes), *spent))
            own, _ = keep_segmented(
                picture, smallest_kind(labels), classes, palette, args.out
            )
            yield own, own

    head = results_head(classes, palette)
    return run_over_images(
        args.images,
        keep,
        head,
        args.out,
        max_side=args.max_side,
        usable=usable,
    )


def _told(
    picture: ReadImage,
    encoded: EncodedImage,
    names: int,
    first: float,
    second: float,
) -> str:
    height, width = encoded.size
    return (
        f'{picture.path}: {encoded.features.told}, {first:.2f} s; {names} '
        f'names at {width} x {height} pixels, {second:.2f} s'
    )


@command(tool='declip segment')
def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    check(args)
    return tell_segmented('declip segment', segment(args), args.out)


if __name__ == '__main__':
    sys.exit(main())
