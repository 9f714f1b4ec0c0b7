"""Jobs side by side in one-thread processes that outlive a failed job."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context('spawn')


def serve(connection: Any, work: Callable[[Any], Any], log: str) -> None:
    """Body of a worker: jobs in, (True, result) or (False, why) out."""
    import torch

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
    """
    left: queue.SimpleQueue = queue.SimpleQueue()
    for job in jobs:
        left.put(job)
    lock = threading.Lock()
    logs.mkdir(parents=True, exist_ok=True)

    def lane(number: int) -> None:
        worker = None
        while True:
            try:
                job = left.get_nowait()
            except queue.Empty:
                break
            if worker is None or not worker.process.is_alive():
                worker = _Worker(work, logs / f'worker_{number}.log')
            fine, result = worker.ask(job)
            with lock:
                done(job, fine, result)
        if worker is not None:
            worker.close()

    lanes = [
        threading.Thread(target=lane, args=(n,))
        for n in range(min(processes, len(jobs)))
    ]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
