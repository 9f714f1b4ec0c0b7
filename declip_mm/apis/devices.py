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
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise OptionError(
            f'device {name!r} is none that torch knows; here there are '
            f'{_there()}.'
        ) from error
    if device.type == 'cuda':
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise OptionError(
                f'device {name!r}: torch sees {count} CUDA devices; here '
                f'there are {_there()}.'
            )
    elif device.type != 'cpu':
        try:
            torch.empty(1, device=device)
        # each kind of device fails in its own way
        except Exception as error:
            raise OptionError(
                f'device {name!r} cannot be used here '
                f'({" ".join(str(error).split())[:80]}); there are {_there()}.'
            ) from error
    return str(device)


def _there() -> str:
    count = torch.cuda.device_count()
    return ', '.join(['cpu', *(f'cuda:{i}' for i in range(count))])
