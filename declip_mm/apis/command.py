"""The way out of every tool: a line for what a user can mend.

Exit codes: 0, all is done; 1, refused, or something is missing, which is
named; 2, the command line does not parse; 130, Ctrl-C; 143, SIGTERM.
"""

import dis
import errno
import functools
import logging
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from .options import OptionError

__all__ = [
    'DEBUG',
    'Stopped',
    'command',
    'explain',
    'say_what_is_kept',
    'was_stopped',
]

#: Environment variable: set to 1 it shows the traceback of every error.
DEBUG = 'DECLIP_DEBUG'

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
#: What the machine says of files, and what to do.
_REMEDIES = {
    errno.ENOSPC: 'Free some space, or write elsewhere.',
    errno.EDQUOT: 'Free some of your quota, or write elsewhere.',
    errno.EFBIG: 'Files may not get that large here; write elsewhere.',
    errno.EROFS: 'Write elsewhere.',
    errno.EACCES: 'Change its permissions, or name another place.',
    errno.EPERM: 'Change its permissions, or name another place.',
    errno.ENOENT: 'Check the path.',
    errno.ENOTDIR: 'A part of this path is a file; name another.',
    errno.EISDIR: 'This is a folder; name a file.',
    errno.EEXIST: 'Something of another kind is there; name another.',
    errno.ENAMETOOLONG: 'Name a shorter path.',
    errno.EIO: 'The disk fails.',
}
_PACKAGE = Path(__file__).resolve().parents[1]
_RAISE = dis.opmap['RAISE_VARARGS']
#: torch wraps what a worker of a data loader raised into text.
_WORKER = re.compile(
    r'Caught \w+ in \w+ worker.*?Traceback.*\n'
    r'  File "(?P<file>[^"]+)", line \d+, in .*\n\s+(?P<source>.*)\n'
    r'(?:\s*[\^~]+\s*\n)?(?P<name>[\w.]+): (?P<text>.*)',
    re.DOTALL,
)


class Stopped(KeyboardInterrupt):
    """SIGTERM: of ``kill``, a queue or a machine that goes down."""


def command(
    main: Callable | None = None, *, tool: str | None = None
) -> Callable:
    """Decorate the ``main`` of a tool.

    - What :func:`explain` knows to be the user's to
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


def explain(error: Exception) -> str | None:
    """One line on an error that a user can mend; None on any other.

    A user's are:

    - what a ``raise`` of ours says (:class:`OptionError` and all others):
      these messages name what was got, what is allowed and what to do;
    - what the machine says of files, by its number (:data:`_REMEDIES`);
    - memory that is used up;
    - a package that is missing.

    A ``ValueError`` that Python or a library raised, also in a line of ours,
    is none of these: it is a mistake of ours and keeps its traceback.
    """
    for cause in _chain(error):
        # one that we wrote a message for has no number
        if isinstance(cause, OSError) and cause.errno in _REMEDIES:
            return _of_file(cause)
        if isinstance(cause, OptionError) or _said_by_us(cause):
            return _text(cause)
    if found := _WORKER.match(str(error)):
        ours = _is_ours(found['file']) and found['source'].startswith('raise')
        return found['text'] if ours else None
    if _is_of_memory(error):
        told = str(error).splitlines()[:1]
        return (
            f'out of memory ({"".join(told)[:120]}). Take fewer or smaller '
            'pictures at a time, or another --device.'
        )
    lacks = error.name if isinstance(error, ModuleNotFoundError) else None
    if lacks and lacks.split('.')[0] != _PACKAGE.name:
        return f'{error}. Install it: pip install {lacks}'
    return None


def _is_of_memory(error: Exception) -> bool:
    if isinstance(error, RuntimeError) and 'not enough memory' in str(error):
        return True
    # who has not imported torch has not used up its memory
    torch = sys.modules.get('torch')
    own = (torch.cuda.OutOfMemoryError,) if torch else ()
    return isinstance(error, (MemoryError, *own))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it was made from.

    ``raise ... from`` says so. One that was raised while another was handled
    may be a mistake in the handling: it has to repeat the other's words.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = error.__context__
        if error.__cause__ is not None:
            error = error.__cause__
        elif inner is not None and str(inner) and str(inner) in str(error):
            error = inner
        else:
            return


def _said_by_us(error: BaseException) -> bool:
    """Whether a ``raise`` statement of ours ended in this error."""
    last = error.__traceback__
    if last is None or not str(error) or isinstance(error, AssertionError):
        return False
    while last.tb_next is not None:
        last = last.tb_next
    code = last.tb_frame.f_code
    return _is_ours(code.co_filename) and _raises(last)


def _raises(last: TracebackType) -> bool:
    return last.tb_frame.f_code.co_code[last.tb_lasti] == _RAISE


def _is_ours(file: str) -> bool:
    path = Path(file).resolve()
    tools = _PACKAGE.parent / 'tools'
    return _PACKAGE in path.parents or tools in path.parents


def _text(error: BaseException) -> str:
    """Its words; ``str`` of a ``KeyError`` puts them in quotes."""
    return str(error.args[0] if isinstance(error, KeyError) else error)


def _of_file(error: OSError) -> str:
    path = error.filename2 or error.filename
    if path is None:
        path = 'a file'
    if isinstance(path, bytes):
        path = path.decode(sys.getfilesystemencoding(), 'replace')
    return f'{path}: {error.strerror}. {_REMEDIES[error.errno]}'
