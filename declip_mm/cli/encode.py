"""Encode pictures once, to be asked for any names later.

Needs neither mmcv nor mmseg. Writes OUT/NAME.safetensors of each picture
(half precision, C x h x w x 2 bytes) and OUT/results.json. Then:

    declip segment photos/ --features OUT --names 'cup,pear'
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..apis.command import command
from ..apis.options import (
    OptionError,
    add_encoder,
    add_shared,
    encoder_options,
    help_first,
    tool_parser,
)

__all__ = ['main', 'parse_args']


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = tool_parser(__doc__, prog='declip encode')
    add_shared(parser, 'images', '--max-side', '--device')
    add_encoder(parser)
    parser.add_argument('--out', default='work_dirs/encode')
    return parser.parse_args(argv)


help_first(__name__, parse_args, 'encode')

from ..apis.images import ReadImage
from ..apis.results import check_image_run, run_over_images, tell_failed
from ..models.zero_shot import DenseEncoder


def check(args: argparse.Namespace) -> None:
    """All that can be refused before weights are read."""
    if args.weights is None:
        raise OptionError('pictures are encoded by --weights FILE: give it')
    check_image_run(args.images, args.out, args.device, args.max_side)


def encode(args: argparse.Namespace) -> dict:
    """What was written of each picture, and which could not be used."""
    encoder = DenseEncoder(args.weights, args.text, **encoder_options(args))

    def keep(batch: list[ReadImage]) -> Iterator[tuple[dict, dict]]:
        for picture in batch:
            found = encoder.encode_dense(picture.image)
            file = Path(args.out) / f'{picture.name}.safetensors'
            found.save(file)
            own = dict(
                name=picture.name,
                path=picture.source,
                file=file.name,
                encoded=found.features.told,
                bytes=found.num_bytes,
            )
            yield own, own

    return run_over_images(
        args.images, keep, {}, args.out, max_side=args.max_side
    )


@command(tool='declip encode')
def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    check(args)
    found = encode(args)
    for own in found['predictions']:
        print(f'{own["path"]}: {own["encoded"]}, {own["bytes"]:,} bytes')
    print(f'features and results.json in {args.out}')
    return tell_failed('declip encode', found)


if __name__ == '__main__':
    sys.exit(main())
