"""results.json while it grows, and when the run is stopped."""

import errno
import io
import json
import os

import pytest
from mmengine.logging import MMLogger
from PIL import Image

from declip_mm.apis import results
from declip_mm.apis.results import (
    ResultsFile,
    run_over_images,
    writable_file,
    writable_folder,
)
from declip_mm.datasets.decoding import UnreadableImage

PATHS = ['a.jpg', 'b.jpg', 'c.jpg']


def content(folder):
    return json.loads((folder / 'results.json').read_text())


def test_all_done(tmp_path):
    with ResultsFile(tmp_path, dict(classes=['cat']), PATHS) as file:
        for path in PATHS[:2]:
            file.add(path, dict(path=path))
        file.fail('c.jpg', 'c.jpg is damaged')
    assert content(tmp_path) == dict(
        classes=['cat'],
        pictures=[dict(path='a.jpg'), dict(path='b.jpg')],
        failed=[dict(path='c.jpg', reason='c.jpg is damaged')],
        left=[],
    )
    file.check()


def test_ctrl_c_keeps_what_was_done(tmp_path):
    with pytest.raises(KeyboardInterrupt) as stop:  # noqa: SIM117
        with ResultsFile(tmp_path, {}, PATHS) as file:
            file.add('a.jpg', dict(path='a.jpg'))
            raise KeyboardInterrupt
    found = content(tmp_path)
    assert [p['path'] for p in found['pictures']] == ['a.jpg']
    assert found['left'] == ['b.jpg', 'c.jpg']
    kept = stop.value.kept
    assert '1 pictures are done' in kept and 'not done: b.jpg, c.jpg.' in kept


def test_a_full_disk_leaves_the_state_before(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'x')

    with pytest.raises(OSError) as stop:  # noqa: SIM117
        with ResultsFile(tmp_path, {}, PATHS, every=-1) as file:
            file.add('a.jpg', dict(path='a.jpg'))
            monkeypatch.setattr(results, 'write_json', full)
            file.add('b.jpg', dict(path='b.jpg'))
    assert content(tmp_path)['left'] == ['b.jpg', 'c.jpg']
    assert 'not all in' in stop.value.kept
    assert 'not done: c.jpg' in stop.value.kept


def test_nothing_usable_is_an_error():
    with ResultsFile(None, {}, PATHS[:1]) as file:
        file.fail('a.jpg', 'a.jpg is damaged')
    with pytest.raises(UnreadableImage, match=r'a\.jpg is damaged'):
        file.check()


def test_places_are_tried_before_the_work(tmp_path):
    assert writable_folder(tmp_path / 'a' / 'b').is_dir()
    assert list((tmp_path / 'a' / 'b').iterdir()) == []
    assert writable_file(tmp_path / 'c' / 'x.json').parent.is_dir()
    with pytest.raises(IsADirectoryError):
        writable_file(tmp_path / 'c')
    (tmp_path / 'file').touch()
    with pytest.raises(FileExistsError):
        writable_folder(tmp_path / 'file')


def test_the_bar_counts_all_pictures_and_stands_below_what_is_logged(
    tmp_path, monkeypatch
):
    Image.new('RGB', (20, 20)).save(tmp_path / 'b.png')
    (tmp_path / 'a.png').write_bytes(b'damaged')
    screen = io.StringIO()
    monkeypatch.setattr('sys.stdout', screen)
    monkeypatch.setattr('sys.stderr', screen)
    MMLogger.get_instance('of this test')

    def predict(batch):
        return [({}, picture.name) for picture in batch]

    found = run_over_images(str(tmp_path), predict, {})
    assert found['predictions'] == ['b'] and len(found['failed']) == 1
    shown = screen.getvalue()
    assert '2/2' in shown.split('\r')[-1]
    (line,) = (one for one in shown.splitlines() if 'left out: ' in one)
    assert 'it/s' not in line
