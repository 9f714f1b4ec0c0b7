"""Kill a training run at random moments until it is through, and compare.

    python tools/misc/soak.py CONFIG --work-dir DIR [--kills 20] [--seed 0]

Trains once without interruption, then again with SIGKILLs: half of them at
random moments, half as soon as a checkpoint is being written. Every killed
run goes on with --resume. All checkpoints have to be whole after each kill,
none may be lost, and the last one has to equal the uninterrupted run's bit by
bit: weights, unmixed student and optimiser. Runs are forked from this
process, which has imported everything; they are processes of their own.
"""

import importlib.util
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

import torch

from declip_mm.apis import (
    ToolParser,
    at_least,
    command,
    load_config,
    writable_folder,
)
from declip_mm.checkpoint import check_whole, read_content

POLL = 0.002


def load_trainer():
    """tools/train.py as a module."""
    path = Path(__file__).resolve().parents[1] / 'train.py'
    spec = importlib.util.spec_from_file_location('soak_train', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def start(trainer, config: str, folder: Path) -> int:
    """Fork a training run; returns its process id."""
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        log = os.open(
            folder / 'soak.log', os.O_CREAT | os.O_RDWR | os.O_APPEND
        )
        os.dup2(log, 1)
        os.dup2(log, 2)
        place = ['--work-dir', str(folder), '--resume']
        sys.argv = ['train.py', config, *place]
        trainer.main()
        code = 0
    except SystemExit as stop:
        print(stop)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def ended(pid: int) -> bool:
    """Whether the run is over; a run that failed ends the soak."""
    done, status = os.waitpid(pid, os.WNOHANG)
    if done and status:
        raise SystemExit(f'soak.py: a run failed with status {status}')
    return bool(done)


def writing(folder: Path, pid: int) -> bool:
    """Whether this run has a checkpoint half-way to its name."""
    return any(folder.glob(f'.epoch_*.{pid}.part'))


def newest(folder: Path) -> int:
    """Epoch of the newest checkpoint; 0 if there is none."""
    found = [int(p.stem[6:]) for p in folder.glob('epoch_*.pth')]
    return max(found, default=0)


def kill_once(pid: int, folder: Path, after: float, aim: bool) -> str:
    """Kill a run after some seconds, or at the next write from then on.

    Returns:
        ``'writing'`` or ``'elsewhere'``, or ``''`` if it was through before.
    """
    moment = time.monotonic() + after
    while time.monotonic() < moment or (aim and not writing(folder, pid)):
        if ended(pid):
            return ''
        time.sleep(POLL)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSIGNALED(status):
        return ''
    return 'writing' if writing(folder, pid) else 'elsewhere'


def survive(folder: Path, before: int) -> int:
    """Check what a killed run left; returns its newest epoch."""
    for path in folder.glob('epoch_*.pth'):
        check_whole(str(path))
    now = newest(folder)
    if now < before:
        raise SystemExit(f'soak.py: epoch {before} was lost, {now} is left')
    return now


def differences(one: object, two: object, path: str = '') -> list[str]:
    """Places at which two contents differ."""
    if isinstance(one, torch.Tensor) and isinstance(two, torch.Tensor):
        same = one.dtype == two.dtype and torch.equal(one, two)
        return [] if same else [path]
    if type(one) is not type(two):
        return [path]
    if isinstance(one, dict):
        if one.keys() != two.keys():
            return [f'{path} (keys)']
        pairs = [(f'{path}.{k}', one[k], two[k]) for k in one]
    elif isinstance(one, (list, tuple)):
        if len(one) != len(two):
            return [f'{path} (length)']
        pairs = [
            (f'{path}.{i}', a, b) for i, (a, b) in enumerate(zip(one, two))
        ]
    else:
        return [] if one == two else [path]
    return [d for name, a, b in pairs for d in differences(a, b, name)]


def compare(whole: Path, killed: Path) -> int:
    """Number of tensors that were compared; ends the soak if any differs."""
    last = f'epoch_{newest(whole)}.pth'
    one, two = (read_content(str(f / last)) for f in (whole, killed))
    parts = [k for k in one if k not in ('meta', 'message_hub')]
    found = [d for k in parts for d in differences(one[k], two[k], k)]
    if found:
        raise SystemExit(f'soak.py: {len(found)} differ: {found[:5]}')
    return sum(
        len(one[k]) for k in ('state_dict', 'student_state_dict') if k in one
    )


def soak(config: str, folder: Path, kills: int, seed: int) -> dict:
    """The whole procedure; returns its figures."""
    draw, trainer = random.Random(seed), load_trainer()
    whole = folder / 'whole'
    began = time.monotonic()
    pid = start(trainer, config, whole)
    while not ended(pid):
        time.sleep(0.05)
    length = time.monotonic() - began
    figures = dict(kills=0, writing=0, runs=0, seconds_of_a_run=length)
    figures.update(epochs=newest(whole), moments=[], tensors=0)
    while figures['kills'] < kills:
        killed, before = folder / f'killed_{figures["runs"]}', 0
        done = False
        while not done and figures['kills'] < kills:
            # What is left of the run, start-up included.
            left = 1 - 0.8 * before / figures['epochs']
            after = draw.uniform(0, 1.5 * length * left)
            aim = draw.random() < 0.5
            began = time.monotonic()
            pid = start(trainer, config, killed)
            where = kill_once(pid, killed, after, aim)
            done = not where
            if done:  # sooner than thought: the machine has other work, too
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
        if not done:
            pid = start(trainer, config, killed)
            while not ended(pid):
                time.sleep(0.05)
        figures['runs'] += 1
        figures['tensors'] = compare(whole, killed)
    return figures


@command
def main() -> None:
    parser = ToolParser(__doc__)
    parser.share('config')
    parser.add_argument('--work-dir', required=True, type=Path)
    parser.add_argument('--kills', type=at_least(1), default=20)
    parser.add_argument('--seed', type=int, default=0)
    options = parser.parse_args()
    load_config(options.config)
    writable_folder(options.work_dir)
    if any(options.work_dir.iterdir()):
        sys.exit(f'soak.py: {options.work_dir} is not empty; name another')
    torch.set_num_threads(1)
    figures = soak(
        options.config, options.work_dir, options.kills, options.seed
    )
    (options.work_dir / 'soak.json').write_text(json.dumps(figures, indent=1))
    print(
        f'{figures["kills"]} kills ({figures["writing"]} while a checkpoint '
        f'was written) over {figures["runs"]} runs of {figures["epochs"]} '
        f'epochs: {figures["tensors"]} weights and the optimiser equal the '
        'uninterrupted run bit by bit, no checkpoint lost or cut short'
    )


if __name__ == '__main__':
    main()
