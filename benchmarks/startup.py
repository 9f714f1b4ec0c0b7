"""What a user waits for before anything happens, against importing torch.

    python benchmarks/startup.py --json startup.json

Starts every command in a process of its own, one after the other and all of
them --rounds times, and prints the medians of processor time (user and
system, which a busy machine changes less than the clock) as ratios to that of
``import torch, mmengine`` in the same rounds. ``classes`` is what the first
model, data set or metric of a process costs on top of its name.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

CLONE = Path(__file__).resolve().parents[1]
BASE = 'torch, mmengine'
COMMANDS = {
    BASE: ['-c', 'import torch, mmengine'],
    'torch': ['-c', 'import torch'],
    'declip_mm': ['-c', 'import torch, mmengine, declip_mm'],
    'classes': [
        '-c',
        'from declip_mm.registration import import_classes; import_classes()',
    ],
    'declip --help': ['-m', 'declip_mm', '--help'],
    'declip train --help': ['-m', 'declip_mm', 'train', '--help'],
    'train.py --help': ['tools/train.py', '--help'],
}


def spent(arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds of processor and of the clock of one process.

    Raises:
        RuntimeError: It failed.
    """
    environment = dict(os.environ, PYTHONPATH=str(CLONE), OMP_NUM_THREADS='1')
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=CLONE,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f'{arguments} ended with {process.returncode}')
    seconds = time.perf_counter() - began
    return usage.ru_utime + usage.ru_stime, seconds


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Command -> medians of processor and clock, and ratio to the base."""
    found = {name: [] for name in COMMANDS}
    for arguments in COMMANDS.values():
        spent(arguments)  # fills the caches of files
    for _ in range(rounds):
        for name, arguments in COMMANDS.items():
            found[name].append(spent(arguments))
    rows = {
        name: dict(
            cpu=round(statistics.median(cpu for cpu, _ in times), 3),
            clock=round(statistics.median(clock for _, clock in times), 3),
        )
        for name, times in found.items()
    }
    for row in rows.values():
        row['ratio'] = round(row['cpu'] / rows[BASE]['cpu'], 3)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--json', type=Path, help='file to write')
    args = parser.parse_args()
    rows = measure(args.rounds)
    print(f'{"":22}{"cpu s":>8}{"clock s":>9}{"ratio":>8}')
    for name, row in rows.items():
        print(f'{name:22}{row["cpu"]:8.2f}{row["clock"]:9.2f}', end='')
        print(f'{row["ratio"]:8.2f}')
    if args.json:
        load = round(os.getloadavg()[0], 1)
        ratios = {name: row['ratio'] for name, row in rows.items()}
        about = dict(rounds=args.rounds, base=BASE, load=load, cores=cores())
        content = dict(about, ratios=ratios, seconds=rows)
        args.json.write_text(json.dumps(content, indent=1) + '\n', 'utf-8')


def cores() -> int:
    return len(os.sched_getaffinity(0))


if __name__ == '__main__':
    main()
