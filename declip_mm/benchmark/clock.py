"""Time and memory of functions, measured turn by turn in one run."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch
from torch.profiler import ProfilerActivity, profile

__all__ = ['interleaved', 'matmul_rate', 'peak_bytes', 'seconds']


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """How long one call takes, until the device has done its work.

    On CUDA by events, which leaves out what the host does before the first
    kernel and after the last.
    """
    if device.type != 'cuda':
        start = time.perf_counter()
        work()
        return time.perf_counter() - start
    torch.cuda.synchronize(device)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    work()
    end.record()
    torch.cuda.synchronize(device)
    return start.elapsed_time(end) / 1e3


def interleaved(
    work: Mapping[str, Callable[[], object]],
    device: torch.device,
    repeats: int = 5,
    warm_up: int = 1,
) -> dict[str, list[float]]:
    """Seconds of every function, in turns.

    A machine that slows down slows all of them down, so that the ratios of
    their medians hold where the seconds do not.

    Args:
        work: Name to function.
        device: Where they compute.
        repeats: Measured turns.
        warm_up: Turns before, which compile, choose kernels and fill caches.
    """
    taken: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(warm_up + repeats):
        for name, function in work.items():
            took = seconds(function, device)
            if turn >= warm_up:
                taken[name].append(took)
    return taken


def median(values: list[float]) -> float:
    return statistics.median(values)


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """Most memory that a call adds to what is there before it.

    Of the allocator of CUDA. On a CPU what tensors are given, counted by
    PyTorch's profiler, which does not depend on the machine.
    """
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with profile(
        activities=[ProfilerActivity.CPU], profile_memory=True
    ) as record:
        work()
    held = peak = 0
    events = record.profiler.kineto_results.events()
    for event in sorted(events, key=lambda e: e.start_ns()):
        if event.name() == '[memory]':
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def matmul_rate(
    device: torch.device, dtype: torch.dtype, repeats: int = 10
) -> float:
    """Operations a second of a large matrix product, of random numbers.

    What a model's operations a second are a share of (its utilisation).
    """
    side = 8192 if device.type == 'cuda' else 2048
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    taken = interleaved(dict(product=lambda: a @ b), device, repeats, 3)
    return 2 * side**3 / median(taken['product'])
