"""The frame of every table: its options, its jobs, its end."""

import argparse
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...apis import at_least, tool_parser
from .pool import run_jobs, seconds_of
from .report import table


def table_parser(
    doc: str, name: str, rows: Sequence[str] | None = None
) -> argparse.ArgumentParser:
    """A parser with the options that every table has.

    Args:
        doc: What ``--help`` says.
        name: Of the default folder; where it is not the ladder's, the
            ladder's is an option too.
        rows: Choices of ``--rows``; None leaves that option to the caller.
    """
    parser = tool_parser(doc)
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
    if rows is not None:
        parser.add_argument('--rows', nargs='+', choices=list(rows))
    return parser


def get_ready() -> float:
    """What every table does first.

    Looks for what the report needs, hours later, and takes one thread, here
    and (by the environment) in the processes to come: threads of processes
    that share the cores wait for each other.

    Returns:
        When the command began, by ``time.time()``.
    """
    if importlib.util.find_spec('scipy') is None:
        sys.exit("the tables' intervals need scipy: pip install scipy")
    if os.environ.setdefault('OMP_NUM_THREADS', '1') == '1':
        import torch

        torch.set_num_threads(1)
    return time.time()


@dataclass(frozen=True, kw_only=True)
class BackboneJob:
    """A model on a backbone of the ladder.

    Attributes:
        name: As printed.
        seed: Of the training.
        affinity: Of the backbone.
        weights: Of the backbone; None leaves the config's.
        world: Folder of the miniature world.
        folder: Results.
    """

    name: str
    seed: int
    affinity: str
    weights: Path | None
    world: Path
    folder: Path

    @property
    def result(self) -> Path:
        return self.folder / 'result.json'

    def done(self) -> bool:
        return self.result.is_file()

    def read(self) -> dict[str, Any]:
        """What was found."""
        return json.loads(self.result.read_text('utf-8'))


def run_table(
    args: argparse.Namespace,
    stages: Sequence[Sequence[Any]],
    work: Callable[[Any], Any],
    rows_of: Callable[[], list[dict]],
    head: Mapping[str, str],
    what: str,
    start: float,
    describe: Callable[[Any, Any], str] = seconds_of,
    beside: Mapping[str, str] | None = None,
    **more: Any,
) -> int:
    """Do the jobs that are left, print the table, write the json.

    Args:
        args: Of :func:`table_parser`.
        stages: Jobs with ``name`` and ``done()``; a stage waits for the one
            before.
        work, describe: See :func:`run_jobs`.
        rows_of: Finished rows, called afterwards.
        head: See :func:`table`; columns that no row has are left out.
        what: The figures are.
        start: When the command began, by ``time.time()``.
        beside: Row -> what is printed beside it, under ``head['beside']``.
        more: What the json says beside rows, seeds and seconds.

    Returns:
        The exit code.
    """
    jobs = [job for stage in stages for job in stage]
    left = [[job for job in stage if not job.done()] for stage in stages]
    count = sum(map(len, left))
    print(f'{len(jobs)} jobs, {count} to do, the others kept', flush=True)
    failed = {}
    for part in left:
        failed |= run_jobs(part, work, args.processes, args.work_dir, describe)
    seconds, kept = time.time() - start, count < len(jobs)
    rows = shown = rows_of()
    if beside:
        shown = [dict(r, beside=beside.get(r['name'], '- / -')) for r in rows]
    if rows:
        print(f'\n{table(head, shown)}')
    print(
        f'\n{what} seeds 0 to {args.seeds - 1}, mean ± 95 % interval; wall '
        f'time {seconds:.0f} s{" (parts were kept)" * kept}'
    )
    if args.out:
        content = dict(seeds=args.seeds, **more, seconds=round(seconds, 1))
        from ...apis import write_json

        write_json(args.out, dict(content, rows=rows))
    for name, reason in failed.items():
        print(f'failed: {name}\n{reason}', file=sys.stderr)
    return 1 if failed else 0
