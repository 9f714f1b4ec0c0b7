"""Kill a training run at random moments until it is through, and compare.

    python tools/misc/soak.py CONFIG --work-dir DIR [--kills 20] [--seed 0]

Trains once without interruption, then again with SIGKILLs: half of them at
random moments, half as soon as a checkpoint is being written. Every killed
run goes on with --resume. All checkpoints have to be whole after each kill,
none may be lost, and the last one has to equal the uninterrupted run's bit by
bit: weights, unmixed student and optimiser. Runs are forked from this
process, which has imported everything; they are processes of their own.
"""

import argparse
import multiprocessing
import os
import random
import runpy
import signal
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm import apis


def parse_args() -> argparse.Namespace:
    parser = apis.tool_parser(__doc__)
    apis.add_shared(parser, 'config')
    parser.add_argument('--work-dir', required=True, type=Path)
    parser.add_argument('--kills', type=apis.at_least(1), default=20)
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args()


apis.help_first(__name__, parse_args)

import torch

from declip_mm.checkpoint import check_whole, read_content

TRAIN = Path(__file__).resolve().parents[1] / 'train.py'
POLL = 0.002


def train(config: str, folder: Path) -> None:
    """tools/train.py, in a process of its own; its output into a log."""
    log = os.open(folder / 'soak.log', os.O_CREAT | os.O_RDWR | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = ['train.py', config, '--work-dir', str(folder), '--resume']
    runpy.run_path(str(TRAIN), run_name='__main__')


def start(config: str, folder: Path) -> BaseProcess:
    folder.mkdir(parents=True, exist_ok=True)
    fork = multiprocessing.get_context('fork')
    run = fork.Process(target=train, args=(config, folder))
    run.start()
    return run


def ended(run: BaseProcess, wait: float | None = POLL) -> bool:
    """Whether the run is over; a run that failed ends the soak."""
    run.join(wait)
    if run.exitcode:
        sys.exit(f'soak.py: a run failed with status {run.exitcode}')
    return run.exitcode == 0


def writing(folder: Path, run: BaseProcess) -> bool:
    """Whether this run has a checkpoint half-way to its name."""
    return any(folder.glob(f'.epoch_*.{run.pid}.part'))


def newest(folder: Path) -> int:
    """Epoch of the newest checkpoint; 0 if there is none."""
    found = [int(p.stem[6:]) for p in folder.glob('epoch_*.pth')]
    return max(found, default=0)


def kill_once(run: BaseProcess, folder: Path, after: float, aim: bool) -> str:
    """Kill a run after some seconds, or at the next write from then on.

    Returns:
        ``'writing'`` or ``'elsewhere'``, or ``''`` if it was through before.
    """
    moment = time.monotonic() + after
    while time.monotonic() < moment or (aim and not writing(folder, run)):
        if ended(run):
            return ''
    run.kill()
    run.join()
    if run.exitcode != -signal.SIGKILL:
        return ''
    return 'writing' if writing(folder, run) else 'elsewhere'


def survive(folder: Path, before: int) -> int:
    """Check what a killed run left; returns its newest epoch."""
    for path in folder.glob('epoch_*.pth'):
        check_whole(str(path))
    now = newest(folder)
    if now < before:
        sys.exit(f'soak.py: epoch {before} was lost, {now} is left')
    return now


def differences(one: object, two: object, path: str = '') -> list[str]:
    """Places at which two contents differ."""
    if isinstance(one, torch.Tensor) and isinstance(two, torch.Tensor):
        same = one.dtype == two.dtype and torch.equal(one, two)
        return [] if same else [path]
    if type(one) is not type(two):
        return [path]
    if isinstance(one, (list, tuple)):
        one, two = (dict(enumerate(part)) for part in (one, two))
    if not isinstance(one, dict):
        return [] if one == two else [path]
    if one.keys() != two.keys():
        return [f'{path} (keys)']
    return [d for k in one for d in differences(one[k], two[k], f'{path}.{k}')]


def compare(whole: Path, killed: Path) -> int:
    """Number of tensors that were compared; ends the soak if any differs."""
    last = f'epoch_{newest(whole)}.pth'
    one, two = (read_content(str(f / last)) for f in (whole, killed))
    parts = [k for k in one if k not in ('meta', 'message_hub')]
    found = [d for k in parts for d in differences(one[k], two[k], k)]
    if found:
        sys.exit(f'soak.py: {len(found)} differ: {found[:5]}')
    return sum(
        len(one[k]) for k in ('state_dict', 'student_state_dict') if k in one
    )


def soak(config: str, folder: Path, kills: int, seed: int) -> dict:
    """The whole procedure; returns its figures."""
    draw, whole = random.Random(seed), folder / 'whole'
    began = time.monotonic()
    ended(start(config, whole), None)
    length = time.monotonic() - began
    figures = dict(kills=0, writing=0, runs=0, seconds_of_a_run=length)
    figures.update(epochs=newest(whole), moments=[], tensors=0)
    while figures['kills'] < kills:
        killed, before = folder / f'killed_{figures["runs"]}', 0
        while figures['kills'] < kills:
            # What is left of the run, start-up included.
            left = 1 - 0.8 * before / figures['epochs']
            after = draw.uniform(0, 1.5 * length * left)
            aim = draw.random() < 0.5
            began = time.monotonic()
            where = kill_once(start(config, killed), killed, after, aim)
            if not where:  # sooner than thought: the machine has other work
                length = (length + (time.monotonic() - began) / left) / 2
                break
            before = survive(killed, before)
            figures['kills'] += 1
            figures['writing'] += where == 'writing'
            figures['moments'].append([round(after, 2), where, before])
            print(
                f'kill {figures["kills"]}: {where}, epoch {before} is kept',
                flush=True,
            )
        else:
            ended(start(config, killed), None)
        figures['runs'] += 1
        figures['tensors'] = compare(whole, killed)
    return figures


@apis.command
def main() -> None:
    args = parse_args()
    apis.load_config(args.config)
    apis.writable_folder(args.work_dir)
    if any(args.work_dir.iterdir()):
        sys.exit(f'soak.py: {args.work_dir} is not empty; name another')
    torch.set_num_threads(1)
    figures = soak(args.config, args.work_dir, args.kills, args.seed)
    apis.write_json(args.work_dir / 'soak.json', figures)
    print(
        f'{figures["kills"]} kills ({figures["writing"]} while a checkpoint '
        f'was written) over {figures["runs"]} runs of {figures["epochs"]} '
        f'epochs: {figures["tensors"]} weights and the optimiser equal the '
        'uninterrupted run bit by bit, no checkpoint lost or cut short'
    )


if __name__ == '__main__':
    main()
