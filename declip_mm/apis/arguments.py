"""Command-line options that training and testing share."""

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Any

from mmengine.config import DictAction

from ..checkpoint import TRUST

__all__ = [
    'ConfigOptions',
    'add_shared_options',
    'at_least',
    'parse',
    'tool_parser',
]


def tool_parser(doc: str) -> argparse.ArgumentParser:
    """A parser whose ``--help`` shows a docstring as it is written."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )


class ConfigOptions(DictAction):
    """mmengine's action, with a usage message instead of a traceback."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        bad = [v for v in values if not v.partition('=')[1] or v[0] == '=']
        if bad:
            raise argparse.ArgumentError(
                self, f'got {", ".join(bad)}; wanted is KEY=VALUE'
            )
        try:
            super().__call__(parser, namespace, values, option_string)
        # of brackets that do not match
        except (AssertionError, ValueError) as error:
            raise argparse.ArgumentError(self, str(error)) from error


def at_least(low: float, kind: type = int) -> Callable[[str], Any]:
    """A ``type`` for numbers of a command line that have a lower bound."""

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not value >= low:  # NaN is not
            what = 'whole number' if kind is int else 'number'
            raise argparse.ArgumentTypeError(
                f'got {text}; allowed is a {what} of {low} or more'
            )
        return value

    return read


def add_shared_options(
    parser: argparse.ArgumentParser, written: str
) -> argparse.ArgumentParser:
    """Add ``config`` and the options that do not depend on the task.

    Args:
        parser: With the tool's own positional arguments still to come.
        written: What the work directory gets, for the help.
    """
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir',
        help=f'where {written} go (default: what the config says, then '
        'work_dirs/<name of the config>)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help='change the config: a.b=1 c="[1,2]" d="[(a,b),(c,d)]"',
    )
    parser.add_argument(
        '--allow-new-options',
        action='store_true',
        help='let --cfg-options add keys that the config does not have',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes (torchrun: pytorch)',
    )
    parser.add_argument(
        '--trust-pickle',
        metavar=TRUST,
        help='run code in checkpoints; only for files of people you trust',
    )
    # torch.distributed.launch passes the second spelling since torch 2.0
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    return parser


def parse(
    parser: argparse.ArgumentParser, args: Sequence[str] | None
) -> argparse.Namespace:
    """Parse, and hand the local rank to mmengine, which reads a variable."""
    parsed = parser.parse_args(args)
    if parsed.trust_pickle not in (None, TRUST):
        parser.error(
            f'--trust-pickle {parsed.trust_pickle}: write --trust-pickle '
            f'{TRUST} to let code in checkpoints run'
        )
    os.environ.setdefault('LOCAL_RANK', str(parsed.local_rank))
    return parsed
