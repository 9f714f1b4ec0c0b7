"""Devices by the names that people type."""

import torch

from .options import OptionError

__all__ = ['check_device']


def check_device(name: str | torch.device | None) -> str:
    """A device that this machine has, before anything is loaded for it.

    Args:
        name: ``'cpu'``, ``'cuda'``, ``'cuda:1'`` ...; None takes a GPU where
            there is one.

    Raises:
        OptionError: torch knows no such device, or the machine lacks it.
    """
    if name is None:
        return 'cuda' if torch.cuda.is_available() else 'cpu'
    count = torch.cuda.device_count()
    try:
        device, problem = torch.device(name), None
        if device.type == 'cuda' and (device.index or 0) >= count:
            problem = f'is not here: torch sees {count} CUDA devices'
        elif device.type != 'cuda':
            torch.empty(1, device=device)
    # each kind of device fails in its own way, and so does a wrong name
    except Exception as error:
        why = ' '.join(str(error).split())[:80]
        problem = f'cannot be used here ({why})'
    if problem:
        there = ', '.join(['cpu', *(f'cuda:{i}' for i in range(count))])
        raise OptionError(
            f'device {name!r} {problem}; here there are {there}.'
        )
    return str(device)
