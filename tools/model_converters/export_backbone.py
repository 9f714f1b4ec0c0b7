"""Take the backbone out of a training checkpoint.

    python tools/model_converters/export_backbone.py CHECKPOINT OUT.pth

The file drops into detectors and segmentors through ``init_cfg``.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm.apis import add_shared, command, help_first, tool_parser


def parse_args() -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('checkpoint')
    parser.add_argument('out', help='.pth or .safetensors')
    parser.add_argument('--prefix', default='backbone.')
    add_shared(parser, '--trust-pickle')
    return parser.parse_args()


help_first(__name__, parse_args)

from declip_mm.checkpoint import export_backbone


@command
def main() -> None:
    options = parse_args()
    fingerprint = export_backbone(**vars(options))
    print(f'wrote {options.out}')
    for name, value in fingerprint.items():
        print(f'  {name}: {value}')


if __name__ == '__main__':
    main()
