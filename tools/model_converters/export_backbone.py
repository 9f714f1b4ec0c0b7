"""Take the backbone out of a training checkpoint.

    python tools/model_converters/export_backbone.py CHECKPOINT OUT.pth

The file drops into detectors and segmentors through ``init_cfg``.
"""

import argparse

from declip_mm.checkpoint import export_backbone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoint')
    parser.add_argument('out', help='.pth or .safetensors')
    parser.add_argument('--prefix', default='backbone.')
    options = parser.parse_args()
    fingerprint = export_backbone(
        options.checkpoint, options.out, options.prefix
    )
    print(f'wrote {options.out}')
    for name, value in fingerprint.items():
        print(f'  {name}: {value}')


if __name__ == '__main__':
    main()
