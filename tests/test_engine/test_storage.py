"""Checkpoints are written whole, and read without running code."""

import pytest
import torch
from mmengine.fileio import LocalBackend, get_file_backend, register_backend
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader, save_checkpoint
from mmengine.runner.checkpoint import load_from_local

from declip_mm.checkpoint import UntrustedFileError, atomically, read_content
from declip_mm.engine import use_safe_storage


@pytest.fixture(autouse=True)
def _own_loaders():
    yield
    register_backend('local', LocalBackend, force=True, prefixes='')
    CheckpointLoader.register_scheme('', load_from_local, force=True)


def test_the_runner_writes_through_it(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    left = tmp_path / '.epoch_1.pth.123.part'
    left.write_bytes(b'of a killed run')
    use_safe_storage()
    assert type(get_file_backend(str(path))).__name__ == 'AtomicLocalBackend'
    save_checkpoint(dict(a=torch.ones(3)), str(path))
    assert torch.equal(read_content(str(path))['a'], torch.ones(3))
    assert [p.name for p in tmp_path.iterdir()] == ['epoch_1.pth']


def test_ranks_that_write_the_same_results_do_not_disturb_each_other(tmp_path):
    path = tmp_path / 'results.json'
    other = tmp_path / '.results.json.123.part'
    other.write_bytes(b'being written by rank 1')
    use_safe_storage()
    get_file_backend(str(path)).put_text('{}', str(path))
    assert path.read_text() == '{}' and other.is_file()


def test_what_was_there_stays_until_the_new_file_is_whole(tmp_path):
    path = tmp_path / 'a.pth'
    path.write_text('old')
    with pytest.raises(RuntimeError), atomically(path) as part:
        part.write_text('half of the new')
        raise RuntimeError('killed')
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def history():
    buffer = HistoryBuffer()
    for value in (1.0, 2.0, 6.0):
        buffer.update(value)
    return buffer


def test_our_training_checkpoints_are_plain_enough(tmp_path):
    path = str(tmp_path / 'a.pth')
    hub = dict(log_scalars={'train/loss': history()})
    torch.save(dict(state_dict={'a': torch.ones(1)}, message_hub=hub), path)
    use_safe_storage()
    found = CheckpointLoader.load_checkpoint(path)
    buffer = found['message_hub']['log_scalars']['train/loss']
    assert (buffer.mean(), buffer.max()) == (3.0, 6.0)
    assert buffer.statistics('min') == 1.0


class Sly:
    """Asks for a method that the history does not lend."""

    def __reduce__(self):
        return getattr, (HistoryBuffer, '__init__')


class Code:
    def __reduce__(self):
        return print, ('code ran',)


@pytest.mark.parametrize('what', [Code(), Sly()])
def test_code_is_not_run(what, tmp_path, capsys):
    path = str(tmp_path / 'a.pth')
    torch.save(dict(state_dict={'a': torch.ones(1)}, extra=what), path)
    use_safe_storage()
    with pytest.raises(ValueError):
        CheckpointLoader.load_checkpoint(path)
    assert 'code ran' not in capsys.readouterr().out


def test_unless_the_user_says_so(tmp_path, capsys):
    path = str(tmp_path / 'a.pth')
    torch.save(dict(state_dict={'a': torch.ones(1)}, extra=Code()), path)
    use_safe_storage('i-trust-this-file')
    assert 'a' in CheckpointLoader.load_checkpoint(path)['state_dict']
    assert 'code ran' in capsys.readouterr().out
    use_safe_storage()
    with pytest.raises(UntrustedFileError, match='--trust-pickle'):
        CheckpointLoader.load_checkpoint(path)
