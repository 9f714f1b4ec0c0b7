"""Strip a training checkpoint for others to use, its hash in its name.

    python tools/model_converters/publish.py work_dirs/run/epoch_6.pth OUT.pth

Optimiser, histories and the unmixed student stay behind; the fingerprint goes
along. OUT.pth becomes OUT-<8 digits>.pth.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm.apis import add_shared, command, help_first, tool_parser


def parse_args() -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('checkpoint')
    parser.add_argument('out', metavar='OUT', help='.pth or .safetensors')
    parser.add_argument(
        '--without-fingerprint',
        action='store_true',
        help='let a file through that does not say what it is',
    )
    add_shared(parser, '--trust-pickle')
    return parser.parse_args()


help_first(__name__, parse_args)

from declip_mm.checkpoint import publish


@command
def main() -> None:
    options = parse_args()
    path = publish(**vars(options))
    print(f'wrote {path}')


if __name__ == '__main__':
    main()
