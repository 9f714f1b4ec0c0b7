"""Which errors a user can mend, and what is said of them."""

import dis
import errno
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import torch

from .options import OptionError

__all__ = ['explain']

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
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and 'not enough memory' in str(error)
    ):
        told = str(error).splitlines()[:1]
        return (
            f'out of memory ({"".join(told)[:120]}). Take fewer or smaller '
            'pictures at a time, or another --device.'
        )
    if isinstance(error, ModuleNotFoundError) and error.name:
        if error.name.split('.')[0] != _PACKAGE.name:
            return f'{error}. Install it: pip install {error.name}'
    return None


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
