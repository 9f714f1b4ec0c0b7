"""The frame of every table: its options, its one thread, its end."""

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ...apis import at_least, write_json
from .pool import Progress


def table_parser(doc: str, name: str) -> argparse.ArgumentParser:
    """A parser with the options that every table has.

    Args:
        doc: What ``--help`` says.
        name: Of the default folder; where it is not the ladder's, the
            ladder's is an option too.
    """
    parser = argparse.ArgumentParser(
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--seeds', type=at_least(1), default=3, help='0 to N - 1'
    )
    parser.add_argument('--out', type=Path, help='json file')
    parser.add_argument('--processes', type=at_least(1), default=2)
    parser.add_argument('--work-dir', type=Path, default=f'work_dirs/{name}')
    if name != 'ladder':
        parser.add_argument(
            '--ladder-dir', type=Path, default='work_dirs/ladder'
        )
    return parser


def get_ready() -> None:
    """What every table does first.

    Looks for what the report needs, hours later, and takes one thread, here
    and (by the environment) in the processes to come: threads of processes
    that share the cores wait for each other.
    """
    if importlib.util.find_spec('scipy') is None:
        sys.exit("the tables' intervals need scipy: pip install scipy")
    if os.environ.setdefault('OMP_NUM_THREADS', '1') == '1':
        torch.set_num_threads(1)


def conclude(
    args: argparse.Namespace,
    rows: list[dict],
    markdown: Callable[[list[dict]], str],
    what: str,
    start: float,
    total: int,
    progress: Progress,
    **more: Any,
) -> int:
    """Print the table, write the json, name what failed.

    Args:
        args: Of :func:`table_parser`.
        rows: What is finished.
        markdown: Rows -> text.
        what: The figures are.
        start: When the command began, by ``time.time()``.
        total: Jobs of the table; those that were kept are no progress.
        progress: Of the others.
        more: What the json says beside rows, seeds and seconds.

    Returns:
        The exit code.
    """
    seconds, kept = time.time() - start, progress.total < total
    if rows:
        print(f'\n{markdown(rows)}')
    print(
        f'\n{what} seeds 0 to {args.seeds - 1}, mean ± 95 % interval; wall '
        f'time {seconds:.0f} s{" (parts were kept)" * kept}'
    )
    if args.out:
        content = dict(seeds=args.seeds, **more, seconds=round(seconds, 1))
        write_json(args.out, dict(content, rows=rows))
    for name, reason in progress.failed.items():
        print(f'failed: {name}\n{reason}', file=sys.stderr)
    return 1 if progress.failed else 0
