"""Command-line options that training and testing share."""

import argparse
import os
from collections.abc import Sequence

from mmengine.config import DictAction

from ..checkpoint import TRUST

__all__ = ['add_shared_options', 'parse']


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
        action=DictAction,
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
