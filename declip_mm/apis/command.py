"""The way out of every tool: a line for what a user can mend.

Exit codes: 0, all is done; 1, refused, or something is missing, which is
named; 2, the command line does not parse; 130, Ctrl-C; 143, SIGTERM.
"""

import errno
import functools
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from .explain import explain

__all__ = [
    'DEBUG',
    'Stopped',
    'command',
    'say_what_is_kept',
    'was_stopped',
]

#: Environment variable: set to 1 it shows the traceback of every error.
DEBUG = 'DECLIP_DEBUG'

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


class Stopped(KeyboardInterrupt):
    """SIGTERM: of ``kill``, a queue or a machine that goes down."""


def command(
    main: Callable | None = None, *, tool: str | None = None
) -> Callable:
    """Decorate the ``main`` of a tool.

    - What :func:`~declip_mm.apis.explain.explain` knows to be the user's to
      mend becomes one line, ``tool.py: ...``, and exit code 1. Any other
      exception is a mistake of ours and keeps its traceback.
    - Ctrl-C and SIGTERM become a line, too, after ``finally`` blocks have
      written what there is.
    - :data:`DEBUG` in the environment shows the traceback of all of them.

    Args:
        main: Its return value, where it is a number, is the exit code.
        tool: What its lines begin with; None: the name of its file.
    """
    if main is None:
        return functools.partial(command, tool=tool)
    tool = tool or Path(main.__code__.co_filename).name

    @functools.wraps(main)
    def run(*args: Any, **kwargs: Any) -> Any:
        debug = os.environ.get(DEBUG, '') not in ('', '0')
        # else a log on a full disk prints a traceback for every line of it
        before, logging.raiseExceptions = logging.raiseExceptions, debug
        try:
            with _sigterm():
                return main(*args, **kwargs)
        except BrokenPipeError:
            if debug or not _nobody_reads():
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except KeyboardInterrupt as stop:
            _leave_stopped(tool, stop, debug)
        except Exception as error:
            stop = _stop_behind(error)
            if stop is not None:
                _leave_stopped(tool, stop, debug)
            if debug:
                raise
            line = explain(error)
            if line is None:
                raise
            sys.exit(_line(tool, line, error))
        finally:
            logging.raiseExceptions = before

    return run


def _nobody_reads() -> bool:
    """Whether the pipe that broke is our output's: ``| head`` has enough."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return True
    return False


@contextmanager
def say_what_is_kept(told: Callable[[], str]) -> Iterator[None]:
    """Add to the line what is on disk and how to go on.

    Args:
        told: Called when the block is stopped by Ctrl-C, SIGTERM, or a disk
            that takes no more.
    """
    try:
        yield
    except (KeyboardInterrupt, OSError) as error:
        if was_stopped(error) and not hasattr(error, 'kept'):
            error.kept = told()  # the innermost knows best
        raise


def was_stopped(error: BaseException | None) -> bool:
    """Whether work ended in its middle, through no fault of its input."""
    full = isinstance(error, OSError) and error.errno in _DISK
    return full or isinstance(error, KeyboardInterrupt)


def _stop_behind(error: BaseException | None) -> KeyboardInterrupt | None:
    """The stop that a bare ``except`` of a library made another error of.

    mmengine's formatting of configs has one.
    """
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error


def _line(tool: str, text: str, error: BaseException) -> str:
    kept = getattr(error, 'kept', '')
    text = f'{text.rstrip()} {kept}' if kept else text
    return f'{tool}: {" ".join(text.split())}'


def _leave_stopped(
    tool: str, stop: KeyboardInterrupt, debug: bool
) -> NoReturn:
    term = isinstance(stop, Stopped)
    what = 'stopped by SIGTERM.' if term else 'interrupted.'
    if debug:
        traceback.print_exc()
    if os.environ.get('RANK', '0') == '0':  # torchrun stops all at once
        print(f'\n{_line(tool, what, stop)}', file=sys.stderr, flush=True)
    sys.exit(128 + (signal.SIGTERM if term else signal.SIGINT))


@contextmanager
def _sigterm() -> Iterator[None]:
    """SIGTERM as an exception, so that ``finally`` blocks run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _stop(number: int, frame: Any) -> NoReturn:
    raise Stopped


def _end_at_once() -> None:
    """Let a forked worker end at SIGTERM as it would without us.

    A handler runs between two steps of Python alone. A worker that was about
    to wait for a lock would wait for ever, and with it whoever wants it to
    end: ``multiprocessing.Pool.terminate``, as mmdet's VOC metric calls it.
    """
    if signal.getsignal(signal.SIGTERM) is _stop:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


os.register_at_fork(after_in_child=_end_at_once)
