"""Compose the miniature world (about half a minute, once).

python tools/miniature/build_world.py [--out data/miniature --vfm] [--photos]
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CLONE))

from declip_mm.apis import at_least, command
from declip_mm.datasets.miniature import build_world
from declip_mm.datasets.miniature.vfm import fetch_vit_s


@command
def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        '--out', dest='root', help='default: miniature in the cache'
    )
    parser.add_argument('--train', type=at_least(1), default=1000)
    parser.add_argument('--val', type=at_least(1), default=200)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--processes', type=at_least(1), default=2)
    parser.add_argument(
        '--photos',
        action='store_true',
        help='also the photograph column (a download)',
    )
    parser.add_argument(
        '--vfm',
        action='store_true',
        help='also vit_s.safetensors, the VFM teacher (a 90 MB download)',
    )
    options = vars(parser.parse_args())
    vfm = options.pop('vfm')
    root = build_world(**options)
    if vfm:
        shutil.copyfile(fetch_vit_s(), root / 'vit_s.safetensors')
    print(root)


if __name__ == '__main__':
    main()
