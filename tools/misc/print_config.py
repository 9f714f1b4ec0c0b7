"""Prints a config with everything it inherits, after --cfg-options.

python tools/misc/print_config.py CONFIG [--cfg-options KEY=VALUE ...]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm import apis


@apis.command
def main() -> None:
    parser = apis.tool_parser(__doc__)
    apis.add_shared(parser, 'config', '--cfg-options', '--allow-new-options')
    parser.add_argument(
        '--save-path', help='write to this .py, .yml or .json file instead'
    )
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
