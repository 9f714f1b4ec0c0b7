"""Jobs side by side in one-thread processes, and the line for each.

A failed job, even a killed process, costs that job alone. (The pools of
concurrent.futures and multiprocessing break, or wait for ever.)
"""

import contextlib
import multiprocessing
import os
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ...apis import say_what_is_kept

CONTEXT = multiprocessing.get_context('spawn')


def die_with_parent() -> None:
    """End this process when the one that started it is gone.

    A killed table would go on in its workers, beside the one that resumes it.
    """

    def wait_for_it() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait_for_it, daemon=True).start()


def serve(
    connection: Connection, work: Callable[[Any], Any], log: str
) -> None:
    """Body of a worker: jobs in, (True, result) or (False, why) out."""
    import torch

    die_with_parent()
    torch.set_num_threads(1)
    with open(log, 'a', buffering=1, encoding='utf-8') as file:
        # Of everything below Python, too.
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
        while True:
            try:
                job = connection.recv()
            except EOFError:
                return
            try:
                answer = True, work(job)
            except Exception:
                answer = False, traceback.format_exc()
                print(answer[1], flush=True)
            connection.send(answer)


class _Worker:
    """A process that is started when there is a job, and again if it died."""

    process = None

    def __init__(self, work: Callable, log: Path) -> None:
        self.work, self.log = work, log

    def give(self, job: Any) -> None:
        if self.process is None or not self.process.is_alive():
            self.connection, other = CONTEXT.Pipe()
            self.process = CONTEXT.Process(
                target=serve,
                args=(other, self.work, str(self.log)),
                daemon=True,
            )
            self.process.start()
            other.close()
        self.job = job
        with contextlib.suppress(OSError):  # it died: there is no answer
            self.connection.send(job)

    def answer(self) -> tuple[bool, Any]:
        try:
            return self.connection.recv()
        except (EOFError, OSError):  # closed or reset, it depends
            self.process.join()
            return False, f'the process died, code {self.process.exitcode}'

    def close(self) -> None:
        if self.process is not None:
            self.connection.close()
            self.process.join(10)


def outcomes(
    jobs: Sequence[Any],
    work: Callable[[Any], Any],
    processes: int,
    logs: Path,
) -> Iterator[tuple[Any, bool, Any]]:
    """Work off jobs; a failure, even a killed process, costs one job.

    Args:
        jobs: Picklable, in order.
        work: Importable function of a job.
        processes: How many at once.
        logs: Folder of ``worker_<n>.log``, what the workers print.

    Yields:
        Each job as it is finished, whether it worked, and the result or the
        reason.
    """
    logs.mkdir(parents=True, exist_ok=True)
    numbers = range(min(processes, len(jobs)))
    idle = [_Worker(work, logs / f'worker_{n}.log') for n in numbers]
    left, busy = deque(jobs), {}
    while left or busy:
        while left and idle:
            worker = idle.pop(0)
            worker.give(left.popleft())
            busy[worker.connection] = worker
        for connection in wait(busy):
            worker = busy.pop(connection)
            idle.append(worker)
            yield worker.job, *worker.answer()
    for worker in idle:
        worker.close()


def seconds_of(job: Any, result: Any) -> str:
    """What a line says of a job whose result is how long it took."""
    return f'{result:.0f} s'


def run_jobs(
    jobs: Sequence[Any],
    work: Callable[[Any], Any],
    processes: int,
    logs: Path,
    describe: Callable[[Any, Any], str] = seconds_of,
) -> dict[str, str]:
    """The same, with a line for every finished job and a bar.

    Args:
        jobs: With names.
        work, processes, logs: See :func:`outcomes`.
        describe: (job, result) -> what the line says of a job that worked.

    Returns:
        Name of a job that failed -> why.

    Raises:
        KeyboardInterrupt: With what is kept, for the last line.
    """
    failed: dict[str, str] = {}
    with (
        tqdm(total=len(jobs), unit='job', disable=not jobs) as bar,
        say_what_is_kept(
            lambda: (
                f'{bar.n - len(failed)} of {len(jobs)} parts were done '
                'and are kept; the same command goes on.'
            )
        ),
    ):
        for job, fine, result in outcomes(jobs, work, processes, logs):
            if fine:
                text = describe(job, result)
            else:
                failed[job.name] = str(result)
                text = f'FAILED: {str(result).strip().splitlines()[-1]}'
            bar.write(f'{job.name}: {text}')
            bar.update()
    return failed
