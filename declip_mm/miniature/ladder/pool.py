"""Jobs side by side in one-thread processes, and the line for each.

A failed job, even a killed process, costs that job alone.
"""

import contextlib
import multiprocessing
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context('spawn')


def die_with_parent() -> None:
    """End this process when the one that started it is gone.

    A killed table would go on in its workers, beside the one that resumes it.
    """

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def serve(connection: Any, work: Callable[[Any], Any], log: str) -> None:
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
    def __init__(self, work: Callable, log: Path) -> None:
        self.connection, other = CONTEXT.Pipe()
        self.process = CONTEXT.Process(
            target=serve, args=(other, work, str(log)), daemon=True
        )
        self.process.start()
        other.close()

    def ask(self, job: Any) -> tuple[bool, Any]:
        try:
            self.connection.send(job)
            return self.connection.recv()
        except (EOFError, OSError):  # closed or reset, it depends
            self.process.join()
            return False, f'the process died, code {self.process.exitcode}'

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.close()
        self.process.join(10)


def run_jobs(
    jobs: Sequence[Any],
    work: Callable[[Any], Any],
    done: Callable[[Any, bool, Any], None],
    processes: int,
    logs: Path,
) -> None:
    """Work off jobs; a failure, even a killed process, costs one job.

    Args:
        jobs: Picklable, in order.
        work: Importable function of a job.
        done: Called with job, whether it worked, and the result or the
            reason; never twice at a time.
        processes: How many at once.
        logs: Folder of ``worker_<n>.log``, what the workers print.

    Raises:
        KeyboardInterrupt: With what is kept, for the last line.
    """
    left: queue.SimpleQueue = queue.SimpleQueue()
    for job in jobs:
        left.put(job)
    lock, stopped = threading.Lock(), threading.Event()
    logs.mkdir(parents=True, exist_ok=True)
    finished = 0

    def lane(number: int) -> None:
        nonlocal finished
        worker = None
        while not stopped.is_set():
            try:
                job = left.get_nowait()
            except queue.Empty:
                break
            if worker is None or not worker.process.is_alive():
                worker = _Worker(work, logs / f'worker_{number}.log')
            fine, result = worker.ask(job)
            with lock:
                if fine or not stopped.is_set():  # Ctrl-C is no failure
                    done(job, fine, result)
                    finished += fine
        if worker is not None:
            worker.close()

    lanes = [
        threading.Thread(target=lane, args=(n,), daemon=True)
        for n in range(min(processes, len(jobs)))
    ]
    for thread in lanes:
        thread.start()
    try:
        for thread in lanes:
            thread.join()
    except KeyboardInterrupt as stop:
        stopped.set()  # the workers end with this process
        stop.kept = (
            f'{finished} of {len(jobs)} parts were done and are kept; the '
            'same command goes on.'
        )
        raise


def seconds_of(job: Any, result: Any) -> str:
    """What a line says of a job whose result is how long it took."""
    return f'{result:.0f} s'


class Progress:
    """A line for every finished job, with the time that is left.

    Args:
        total: Jobs to do.
        describe: (job, result) -> what the line says of a job that worked.

    Attributes:
        failed: Name of a job -> why.
    """

    def __init__(
        self, total: int, describe: Callable[[Any, Any], str] = seconds_of
    ) -> None:
        self.total, self.describe = total, describe
        self.start, self.count = time.time(), 0
        self.failed: dict[str, str] = {}

    def __call__(self, job: Any, fine: bool, result: Any) -> None:
        self.count += 1
        passed = time.time() - self.start
        left = passed / self.count * (self.total - self.count)
        if fine:
            text = self.describe(job, result)
        else:
            self.failed[job.name] = str(result)
            text = f'FAILED: {str(result).strip().splitlines()[-1]}'
        print(
            f'[{self.count}/{self.total}] {job.name}: {text}; '
            f'eta {left / 60:.1f} min',
            flush=True,
        )
