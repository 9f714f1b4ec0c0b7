"""What every case of tests/test_bad_input has to satisfy.

A case is bad input and what has to become of it:

- ``refused``: an exception of ours that repeats what was got and says what is
  allowed or what to do. Not a bare ``KeyError`` and the like, and not the
  message of a library that happened to stumble.
- ``skipped``: work goes on, and the log counts and names what was left out.
- ``read``: unusual, yet understood; the result is checked.

No case may take longer than :data:`SECONDS`.
"""

import logging
import signal
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.logging import MMLogger

SECONDS = 120
SHORTEST = 40
#: Say nothing to somebody who does not read the source.
BARE = (
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    NameError,
    UnicodeError,
    ZeroDivisionError,
    RecursionError,
    MemoryError,
)
ACCEPTED = (
    ValueError,
    TypeError,
    OSError,
    RuntimeError,
    FloatingPointError,
    SystemExit,
)


class Case(NamedTuple):
    """Bad input.

    Attributes:
        name: Of the case.
        act: Feeds it to the product; gets an empty folder. Returns how many
            were left out (``skipped``), or the result (``read``).
        got: What the message has to repeat of the input; the result that is
            expected (``read``).
        allowed: What it has to say of what is allowed or what to do.
        outcome: ``'refused'``, ``'skipped'`` or ``'read'``.
    """

    name: str
    act: Callable[[Path], Any]
    got: Any
    allowed: str = ''
    outcome: str = 'refused'


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def logged():
    """Collects the warnings that are logged meanwhile."""
    logger, handler = MMLogger.get_current_instance(), _Lines()
    logger.addHandler(handler)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)


@contextmanager
def in_time():
    """A case that hangs fails."""

    def stop(*_):
        raise AssertionError(f'hung for {SECONDS} seconds')

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def written_here(error: BaseException) -> bool:
    """Whether our code raised it, or what it was raised from."""
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        files = [Path(f.filename).parts for f in frames[-1:]]
        if any({'declip_mm', 'tools'} & set(parts) for parts in files):
            return True
        error = error.__cause__ or error.__context__
    return False


def check(case: Case, folder: Path) -> None:
    """Feed a case to the product and look at what becomes of it."""
    error, result = None, None
    with logged() as lines, in_time():
        try:
            result = case.act(folder)
        except ACCEPTED + BARE as raised:
            error = raised
    if case.outcome == 'refused':
        assert error is not None, f'passed silently, gave {result!r:.200}'
        _check_message(case, error)
        return
    assert error is None, f'{type(error).__name__}: {error}'
    if case.outcome == 'read':
        assert result == case.got, f'{result!r:.200}'
        return
    assert result, 'nothing was counted as left out'
    text = '\n'.join(lines)
    assert case.got in text, f'{case.got!r} is not in the log: {text}'
    assert case.allowed in text, f'{case.allowed!r} is not in the log: {text}'


def _check_message(case: Case, error: BaseException) -> None:
    text = str(error)
    kind = type(error).__name__
    assert not isinstance(error, BARE), f'a bare {kind}: {text}'
    assert written_here(error), f'not our message: {kind}: {text}'
    assert len(text) >= SHORTEST, f'too short to help: {text}'
    assert 'Traceback' not in text
    assert case.got in text, f'does not say {case.got!r}: {text}'
    assert case.allowed, 'the case expects no remedy'
    assert case.allowed in text, f'does not say {case.allowed!r}: {text}'
