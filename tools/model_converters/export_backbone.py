"""Take the backbone out of a training checkpoint.

    python tools/model_converters/export_backbone.py CHECKPOINT OUT.pth

The file drops into detectors and segmentors through ``init_cfg``.
"""

import argparse
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]
if (CLONE / 'declip_mm' / '__init__.py').is_file():
    sys.path.insert(0, str(CLONE))

from declip_mm.apis import command
from declip_mm.checkpoint import TRUST, export_backbone


@command
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoint')
    parser.add_argument('out', help='.pth or .safetensors')
    parser.add_argument('--prefix', default='backbone.')
    parser.add_argument('--trust-pickle', metavar=TRUST)
    options = parser.parse_args()
    fingerprint = export_backbone(**vars(options))
    print(f'wrote {options.out}')
    for name, value in fingerprint.items():
        print(f'  {name}: {value}')


if __name__ == '__main__':
    main()
