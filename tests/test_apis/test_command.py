"""What a tool says when it ends early."""

import errno
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pytest
from torch._utils import ExceptionWrapper

import declip_mm
from declip_mm.apis import DEBUG, OptionError, command, say_what_is_kept
from declip_mm.apis.command import explain

PACKAGE = Path(declip_mm.__file__).parent


def ours(source: str):
    """A function ``f`` that seems to be written in the package."""
    space: dict = {}
    body = '\n'.join(f'    {line}' for line in source.splitlines())
    code = compile(f'def f():\n{body}', str(PACKAGE / 'made_up.py'), 'exec')
    exec(code, space)
    return space['f']


def caught(function) -> Exception:
    with pytest.raises(Exception) as found:
        function()
    return found.value


def test_what_we_raise_is_told():
    said = explain(caught(ours('raise ValueError("got 3, allowed is 2")')))
    assert said == 'got 3, allowed is 2'
    said = explain(caught(ours('raise KeyError("no row of image 7")')))
    assert said == 'no row of image 7'  # without the quotes of its str
    assert explain(OptionError('no config file x')) == 'no config file x'


@pytest.mark.parametrize(
    'source',
    [
        'int("x")',  # a ValueError in a line of ours
        '{}["key"]',
        'import torch\ntorch.zeros(2, 3) @ torch.zeros(2, 3)',
        'raise ValueError',  # says nothing
        'assert 1 == 2, "a contract"',
        # while a message of ours was handled, something else broke
        'try:\n    raise ValueError("wanted is 2")\n'
        'except ValueError:\n    int("x")',
    ],
)
def test_a_mistake_of_ours_keeps_its_traceback(source):
    assert explain(caught(ours(source))) is None


def test_what_a_library_wraps_is_still_ours():
    def library():
        try:
            ours('raise ValueError("the split is empty")')()
        except ValueError as error:
            raise TypeError(f'class `X`: {error}')  # noqa: B904

    assert explain(caught(library)) == 'the split is empty'


def test_a_worker_of_a_data_loader_is_heard():
    def work():
        try:
            ours('raise ValueError("a.jpg is damaged")')()
        except ValueError:
            info = sys.exc_info()
        ExceptionWrapper(info, 'in DataLoader worker process 0').reraise()

    real = PACKAGE / 'datasets' / 'decoding.py'
    assert explain(caught(work)) is None  # made_up.py has no source to show
    text = (
        'Caught ValueError in DataLoader worker process 1.\n'
        'Original Traceback (most recent call last):\n'
        '  File "worker.py", line 3, in _worker_loop\n    fetch()\n'
        f'  File "{real}", line 9, in read\n    {{}}\n'
        'declip_mm.datasets.decoding.UnreadableImage: a.jpg is damaged\n'
    )
    error = ValueError(text.format('raise UnreadableImage('))
    assert explain(error).strip() == 'a.jpg is damaged'
    assert explain(ValueError(text.format("int('x')"))) is None


@pytest.mark.parametrize(
    'number, remedy',
    [
        (errno.ENOSPC, 'Free some space'),
        (errno.EACCES, 'Change its permissions'),
        (errno.EROFS, 'Write elsewhere'),
        (errno.ENOENT, 'Check the path'),
    ],
)
def test_files_by_their_number(number, remedy):
    said = explain(OSError(number, os.strerror(number), 'out/x.pth'))
    assert said.startswith(f'out/x.pth: {os.strerror(number)}. {remedy}')
    assert explain(OSError('without a number')) is None


def leave(action):
    """SystemExit of a tool whose main does something."""

    @command
    def main():
        action()

    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code


def test_ctrl_c_is_130_and_says_what_is_kept(capsys):
    def work():
        with say_what_is_kept(lambda: '3 of 8 sets are kept in x.'):
            raise KeyboardInterrupt

    assert leave(work) == 130
    said = capsys.readouterr().err.strip()
    assert said == 'test_command.py: interrupted. 3 of 8 sets are kept in x.'


def test_sigterm_is_143_and_runs_finally(capsys):
    before, done = signal.getsignal(signal.SIGTERM), []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            done.append('written')

    assert leave(work) == 143
    assert done == ['written']
    assert 'stopped by SIGTERM' in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_forked_worker_ends_at_sigterm_without_a_step_of_python():
    def work():
        child = os.fork()
        if not child:
            usual = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            os._exit(0 if usual else 3)
        assert os.waitpid(child, 0)[1] == 0
        # the parent still stops by an exception
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        with multiprocessing.get_context('fork').Pool(2) as pool:
            return pool.map(abs, [-3])[0]

    assert command(work)() == 3


def test_a_stop_that_a_library_turned_into_an_error_is_a_stop(capsys):
    def library():
        try:
            raise KeyboardInterrupt
        except:  # noqa: E722
            raise SyntaxError('cannot format')  # noqa: B904

    assert leave(library) == 130
    assert 'interrupted' in capsys.readouterr().err


def test_a_full_disk_says_what_is_kept_and_a_missing_file_does_not():
    def at(number):
        with say_what_is_kept(lambda: 'Go on with --resume.'):
            raise OSError(number, os.strerror(number), 'x')

    assert leave(lambda: at(errno.ENOSPC)).endswith('Go on with --resume.')
    assert '--resume' not in leave(lambda: at(errno.ENOENT))


def test_lines_become_one():
    code = leave(ours('raise ValueError("first\\n  second")'))
    assert code == 'test_command.py: first second'


def test_debug_shows_everything(monkeypatch):
    monkeypatch.setenv(DEBUG, '1')

    @command
    def main():
        raise OptionError('wrong')

    with pytest.raises(OptionError):
        main()


def test_results_go_through():
    @command
    def main(number):
        return number

    assert main(3) == 3
