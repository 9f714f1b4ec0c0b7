"""The file of a cache: rows before flags, room before files."""

import multiprocessing
import shutil
import signal
import time
from collections import namedtuple

import numpy as np
import pytest
import torch

from declip_mm.models.cache_file import CacheFile


def made(path, rows=5, **options):
    file = CacheFile(path)
    file.create((rows, 300), dict(made_by='test'), **options)
    return file


def row(value, count=1):
    return torch.full((count, 300), float(value), dtype=torch.float16)


def on_disk(file):
    return np.load(file.path.with_suffix('.filled.npy')).tolist()


def test_a_flag_follows_its_row(tmp_path):
    file = made(tmp_path / 'c.npy')
    file.write(np.array([1]), row(7))
    assert on_disk(file) == [False, True, False, False, False]
    file.patience = 3600.0
    file.write(np.array([3]), row(8))
    # here it counts already; whoever comes later has to compute it again
    assert file.has(np.array([3, 4])).tolist() == [True, False]
    assert on_disk(file)[3] is False
    file.flush()
    assert on_disk(file)[3] is True
    assert torch.equal(
        file.read(np.array([3, 1])), torch.cat([row(8), row(7)])
    )


def test_what_a_cache_holds_is_on_the_disk_when_it_is_gone(tmp_path):
    file = made(tmp_path / 'c.npy')
    file.patience = 3600.0
    file.write(np.array([0]), row(1))
    file.write(np.array([2]), row(2))
    flags = tmp_path / 'c.filled.npy'
    assert np.load(flags).sum() == 1
    del file
    assert np.load(flags).sum() == 2


def fill_on(path):
    file = CacheFile(path)
    file.patience = 0.01
    file.open({}, True)
    for key in range(5000):
        file.write(np.array([key]), row(key + 1))


def test_a_killed_process_leaves_whole_rows(tmp_path):
    file = made(tmp_path / 'c.npy', rows=5000)
    process = multiprocessing.get_context('fork').Process(
        target=fill_on, args=(file.path,)
    )
    process.start()
    while process.is_alive() and sum(on_disk(file)) < 40:
        time.sleep(0.01)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    file.open({}, True)
    (done,) = np.nonzero(file.has(np.arange(5000)))
    assert 0 < len(done) < 5000
    wanted = (torch.from_numpy(done) + 1).half()[:, None].expand(-1, 300)
    assert torch.equal(file.read(done), wanted)
    with file.alone():  # a lock of the dead would hold up this
        assert file.lacks(0, 5000) and not file.lacks(0, int(done[0]) + 1)


def test_no_room_is_said_before_anything_is_made(tmp_path, monkeypatch):
    usage = namedtuple('usage', 'total used free')
    monkeypatch.setattr(
        shutil, 'disk_usage', lambda path: usage(2**40, 2**40 - 2**20, 2**20)
    )
    with pytest.raises(ValueError, match=r'takes 0\.002 GiB.*0\.001 GiB are'):
        made(tmp_path / 'deep' / 'c.npy', rows=4000)
    assert not (tmp_path / 'deep').exists()
    made(tmp_path / 'deep' / 'c.npy', rows=40)


def test_the_disk_is_taken_when_the_file_is_made(tmp_path):
    """A map of a file with holes would end in SIGBUS on a full disk."""
    made(tmp_path / 'c.npy', rows=4000)
    stat = (tmp_path / 'c.npy').stat()
    assert 512 * stat.st_blocks >= stat.st_size > 2 * 300 * 4000


def test_listed_keys_alone_have_rows(tmp_path):
    file = made(tmp_path / 'c.npy', rows=3, keys=np.array([4, 10, 30]))
    keys = np.array([30, 5, 4, 99])
    assert file.keeps(keys).tolist() == [True, False, True, False]
    file.write(keys, torch.cat([row(v) for v in (1, 2, 3, 4)]))
    assert file.has(keys).tolist() == [True, False, True, False]
    assert torch.equal(file.read(keys[[2, 0]]), torch.cat([row(3), row(1)]))
    assert not file.lacks(0, 10) and file.lacks(0, 11)
    file.mark(0, 11)
    assert not file.lacks(0, 99)


def test_a_new_file_forgets_keys_and_notes_of_an_old_one(tmp_path):
    path = tmp_path / 'c.npy'
    made(path, rows=3, keys=np.array([4, 10, 30]), notes=dict(moved=(2,)))
    path.unlink()
    file = made(path, rows=3)
    assert file.keeps(np.array([0, 4])).tolist() == [True, False]
    assert 'notes' not in file.fields


def test_notes_go_with_rows(tmp_path):
    file = made(tmp_path / 'c.npy', notes=dict(moved=(2,)))
    moved = torch.tensor([[0.1, 0.5], [0.2, 0.6]])
    file.write(np.array([4, 1]), row(1, 2), moved=moved)
    np.testing.assert_allclose(file.notes('moved'), moved.flip(0))
    file.note(seen=2)
    assert CacheFile(file.path).fingerprint['seen'] == 2


def test_rows_of_another_shape_are_refused(tmp_path):
    file = made(tmp_path / 'c.npy')
    with pytest.raises(ValueError, match='holds 300 of.*gave 1'):
        file.write(np.array([0]), torch.zeros(1, 1).half())
