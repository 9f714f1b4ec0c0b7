"""Strip a training checkpoint for others to use, its hash in its name.

    python tools/model_converters/publish.py work_dirs/run/epoch_6.pth OUT.pth

Optimiser, histories and the unmixed student stay behind; the fingerprint goes
along. OUT.pth becomes OUT-<8 digits>.pth.
"""

import argparse
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]
if (CLONE / 'declip_mm' / '__init__.py').is_file():
    sys.path.insert(0, str(CLONE))

from declip_mm.apis import command
from declip_mm.checkpoint import TRUST, publish


@command
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoint')
    parser.add_argument('out', metavar='OUT', help='.pth or .safetensors')
    parser.add_argument(
        '--without-fingerprint',
        action='store_true',
        help='let a file through that does not say what it is',
    )
    parser.add_argument('--trust-pickle', metavar=TRUST)
    options = parser.parse_args()
    path = publish(**vars(options))
    print(f'wrote {path}')


if __name__ == '__main__':
    main()
