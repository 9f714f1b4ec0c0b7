"""Say what a weight file is: layout, tower, fingerprint, license, parts.

python tools/model_converters/inspect_checkpoint.py FILE [FILE ...]
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm.apis import add_shared, command, help_first, tool_parser


def parse_args() -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument('files', nargs='+', metavar='FILE')
    add_shared(parser, '--trust-pickle')
    return parser.parse_args()


help_first(__name__, parse_args)

from declip_mm.checkpoint import describe


def lines(found: dict) -> list[str]:
    """The description of a file, as text."""
    size = f'{found["bytes"] / 1e6:.1f} MB'
    kind, *facts = found['tower'].items()
    tower = ', '.join(f'{k} {v}' for k, v in facts)
    out = [
        f'{found["file"]} ({size}, sha256 {found["sha256"][:16]})',
        f'  layout       {found["layout"]}',
        f'  tower        {kind[1] or "none"}{": " * bool(tower)}{tower}',
        f'  model        {found["model"]}',
        *(
            f'  {name:12} {found[name]}'
            for name in ('consumer', 'activation')
            if found[name]
        ),
        f'  license      {found["license"]}',
        '  dtypes       '
        + ', '.join(f'{k} x {v}' for k, v in found['dtypes'].items()),
    ]
    for name, part in found['parts'].items():
        if part['tensors']:
            millions = part['parameters'] / 1e6
            out.append(
                f'  {name:12} {part["tensors"]} tensors, {millions:.2f} M '
                'parameters'
            )
    strange = {'NaN or inf': 'not_finite', 'of no part': 'strange'}
    for label, key in strange.items():
        if names := found[key]:
            more = ' ...' * (len(names) > 6)
            out.append(f'  {label:12} {", ".join(names[:6])}{more}')
    for name, value in found['hints'].items():
        out.append(f'  file name    {name} = {value}')
    declared = found['fingerprint'].get('declared', ())
    if not found['fingerprint']:
        out.append(
            '  fingerprint  none: affinity and scale are unknown; '
            'probe_scale.py compares them'
        )
    for name, value in found['fingerprint'].items():
        said = ' (declared, not read)' * (name in declared)
        out.append(f'  fingerprint  {name} = {value}{said}')
    return out


@command
def main() -> None:
    options = parse_args()
    failed = 0
    for path in options.files:
        try:
            print(*lines(describe(path, options.trust_pickle)), sep='\n')
        except (ValueError, OSError) as error:
            failed = 1
            print(f'inspect_checkpoint.py: {error}', file=sys.stderr)
    sys.exit(failed)


if __name__ == '__main__':
    main()
