"""The entry of ``declip``: lists the subcommands, or runs one."""

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from ..apis.options import TOOL_MODULE
from ..assets import ROOT
from ..version import __version__
from .table import COMMANDS, Command

__all__ = ['main', 'overview']

_HELP = ('-h', '--help', 'help')


def overview() -> str:
    """All subcommands, with an example of each."""
    width = max(len(command.name) for command in COMMANDS)
    lines = [
        f'declip {__version__}: DeCLIP for open-vocabulary dense perception',
        '',
        'usage: declip COMMAND ...      declip COMMAND --help says more',
        '',
    ]
    for command in COMMANDS:
        lines.append(f'  {command.name:{width}}  {command.what}')
        lines.append(f'  {"":{width}}    {command.example}')
    return '\n'.join(lines)


def _find(name: str) -> Command:
    """The subcommand of this name.

    Raises:
        SystemExit: There is none; names the close ones.
    """
    found = {command.name: command for command in COMMANDS}
    if name in found:
        return found[name]
    close = difflib.get_close_matches(name, found, n=3)
    hint = f'Did you mean {" or ".join(close)}?' if close else ''
    print(
        f'declip: there is no command {name!r}, only {", ".join(found)}. '
        f'{hint}'.rstrip(),
        file=sys.stderr,
    )
    raise SystemExit(2)


def _load(script: Path) -> ModuleType:
    """A script as a module, under a name that shadows no other."""
    name = f'{TOOL_MODULE}{script.stem}'
    spec = importlib.util.spec_from_file_location(name, script)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main(argv: Sequence[str] | None = None) -> int | None:
    """Run ``declip`` with these arguments, else those of the process.

    Returns:
        The exit code; None is 0.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in _HELP:
        print(overview())
        return 0
    if argv[0] == '--version':
        print(__version__)
        return 0
    command, rest = _find(argv[0]), argv[1:]
    sys.argv = [f'declip {command.name}', *rest]
    if set(rest) & set(_HELP[:2]):
        print(f'example: {command.example}\n')
    if command.is_script:
        script = ROOT / 'tools' / command.runs
        if not script.is_file():
            raise SystemExit(
                f'declip: {script} is not there; the installation is not '
                'whole. Install declip_mm again.'
            )
        return _load(script).main()
    return importlib.import_module(command.runs).main(rest)


if __name__ == '__main__':
    sys.exit(main())
