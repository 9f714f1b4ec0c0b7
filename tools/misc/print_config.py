"""Prints a config with everything it inherits, after --cfg-options.

python tools/misc/print_config.py CONFIG [--cfg-options KEY=VALUE ...]
"""

import argparse
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]
if (CLONE / 'declip_mm' / '__init__.py').is_file():
    # works from a clone that was never installed
    sys.path.insert(0, str(CLONE))

from declip_mm import apis


@apis.command
def main() -> None:
    parser = argparse.ArgumentParser(description='Print the whole config')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--save-path', help='write to this .py, .yml or .json file instead'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=apis.ConfigOptions,
        metavar='KEY=VALUE',
        help='change the config: a.b=1 c="[1,2]" d="[(a,b),(c,d)]"',
    )
    parser.add_argument('--allow-new-options', action='store_true')
    args = parser.parse_args()
    cfg = apis.load_config(
        args.config,
        args.cfg_options,
        allow_new_options=args.allow_new_options,
    )
    if args.save_path is None:
        print(cfg.pretty_text)
    elif Path(args.save_path).suffix in ('.py', '.yml', '.yaml', '.json'):
        apis.writable_file(args.save_path)
        cfg.dump(args.save_path)
    else:
        sys.exit(
            f'print_config.py: --save-path got {args.save_path}, allowed are '
            '.py, .yml and .json'
        )


if __name__ == '__main__':
    main()
