"""Rewrite CLIP weights in another layout, with a fingerprint.

    python tools/model_converters/convert.py IN OUT.safetensors
        [--layout declip_mm] [--affinity csa --scale 1.0] [--license MIT]

Reads the releases of EVA-CLIP, DeCLIP, CLIPSelf, CAT-Seg (the CLIP in it) and
F-ViT (the backbone), OpenAI's and OpenCLIP's files, timm's trunks and ours;
writes any of them. Affinity and scale are demanded where a file does not say.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm.apis import add_shared, command, help_first, tool_parser

#: Those of declip_mm.checkpoint and declip_mm.models.attention, without torch.
LAYOUTS = (
    'declip_mm eva openai open_clip open_clip_custom timm cat_seg_openai '
    'cat_seg_eva f_vit'
).split()
AFFINITIES = 'all csa kk maskclip maskclip_cls qq vanilla vv'.split()


def parse_args() -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('source', metavar='IN', help='weight file')
    parser.add_argument('out', metavar='OUT', help='.pth or .safetensors')
    parser.add_argument('--layout', choices=LAYOUTS, default='declip_mm')
    parser.add_argument('--affinity', choices=AFFINITIES)
    add_shared(parser, '--scale', '--license', '--trust-pickle')
    parser.add_argument(
        '--model', help="open_clip's name (default: told by the sizes)"
    )
    parser.add_argument(
        '--parts',
        nargs='+',
        choices=['visual', 'text'],
        help='towers to write (default: all that the file has)',
    )
    parser.add_argument(
        '--head-dim',
        type=int,
        default=64,
        help='of an EVA tower, for the tables of official files',
    )
    parser.add_argument(
        '--quick-gelu',
        action=argparse.BooleanOptionalAction,
        help='activation of an OpenAI-type CLIP, where the file does not say',
    )
    return parser.parse_args()


help_first(__name__, parse_args)

from declip_mm.checkpoint import convert


@command
def main() -> None:
    args = parse_args()
    fingerprint = convert(**vars(args))
    print(f'wrote {args.out}')
    for name, value in fingerprint.items():
        declared = name in fingerprint.get('declared', ())
        print(f'  {name}: {value}{" (declared)" * declared}')
    if args.quick_gelu is None and _unknown(fingerprint):
        print(
            'convert.py: nothing tells whether this CLIP wants GELU or '
            'QuickGELU (OpenAI, DFN, MetaCLIP); record it with --quick-gelu '
            'or --no-quick-gelu',
            file=sys.stderr,
        )


def _unknown(fingerprint: dict) -> bool:
    """Whether this is an OpenAI-type CLIP of unknown activation."""
    guess = str(fingerprint.get('model_by_size', ''))
    plain = guess.startswith('ViT-') and 'SigLIP' not in guess
    return plain and 'activation' not in fingerprint


if __name__ == '__main__':
    main()
