"""What step_configs.py and step_detectors.py read; needs no torch."""

import argparse

from declip_mm import apis


def step_parser(doc: str | None) -> argparse.ArgumentParser:
    """The arguments that both have."""
    parser = apis.tool_parser(doc)
    apis.add_shared(parser, 'config')
    parser.add_argument(
        '--size',
        type=apis.at_least(16),
        help="longer side in pixels (default: the config's)",
    )
    parser.add_argument('--out', help='json lines file to append to')
    return parser
