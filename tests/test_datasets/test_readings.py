"""What became of pictures, in workers and at the end of a run."""

from types import SimpleNamespace

import pytest
from mmengine.logging import MessageHub
from PIL import Image
from seg_world import LABELS, labels_of, load_set, write_set
from torch.utils.data import DataLoader

from declip_mm.datasets.readings import Readings, spread
from declip_mm.engine import DamagedImagesHook


def stub(data):
    """A runner of every phase on one data set."""
    lines = []
    loader = SimpleNamespace(dataset=data)
    return SimpleNamespace(
        train_dataloader=loader,
        val_dataloader=loader,
        test_dataloader=loader,
        logger=SimpleNamespace(log=lambda level, text: lines.append(text)),
        message_hub=MessageHub.get_instance('test_readings'),
        lines=lines,
    )


@pytest.fixture
def broken(tmp_path):
    """Four pictures; b.jpg is cut short, d.jpg has an EXIF half turn."""
    write_set(tmp_path, 'abcd')
    path = tmp_path / 'images' / 'b.jpg'
    path.write_bytes(path.read_bytes()[:-30])
    exif = Image.Exif()
    exif[0x0112] = 3
    image = Image.new('RGB', LABELS.shape[::-1])
    image.save(tmp_path / 'images' / 'd.jpg', exif=exif)
    return load_set(tmp_path)


def test_positions_are_spread():
    assert spread(3) == [0, 1, 2]
    assert spread(1000, 3) == [0, 500, 999] and spread(0) == []
    assert len(set(spread(100000))) == 64


def test_workers_share_what_they_noted(broken):
    loader = DataLoader(broken, None, num_workers=1)
    maps = [s['data_samples'].gt_sem_seg.data.unique() for s in loader]
    assert maps[1].tolist() == [255]
    (damaged,), (undecided,) = broken.damaged, broken.undecided
    assert damaged.endswith('b.jpg') and undecided.endswith('d.jpg')


def test_an_evaluation_says_what_it_left_out(broken):
    runner, hook = stub(broken), DamagedImagesHook()
    hook.after_test_epoch(runner)
    assert runner.lines == []
    assert runner.message_hub.get_info('left_out') == []
    shown = [labels_of(broken, i) for i in range(4)]
    assert shown[1] == [[255] * 3] * 2 and shown[2] == LABELS.tolist()
    for phase in (hook.after_val_epoch, hook.after_test_epoch):
        phase(runner)
    damaged, undecided, again = runner.lines
    assert damaged.startswith('1 damaged pictures could not be measured')
    assert damaged == again and damaged.endswith('b.jpg')
    assert undecided.startswith('1 pictures have an EXIF orientation')
    assert undecided.endswith('d.jpg')
    (name,) = runner.message_hub.get_info('left_out')
    assert name.endswith('b.jpg')


def test_in_training_another_picture_is_drawn(broken):
    DamagedImagesHook().before_train(stub(broken))
    for _ in range(5):
        sample = broken[1]['data_samples']
        assert not sample.img_path.endswith('b.jpg')
        assert (sample.gt_sem_seg.data[0].numpy() == LABELS).all()


def test_each_is_logged_once(monkeypatch):
    lines = []
    monkeypatch.setattr(
        'declip_mm.datasets.readings.print_log',
        lambda text, **_: lines.append(text),
    )
    readings = Readings(3, 'a.json')
    for index in (2, 2, 0):
        readings.leave_out(index, ValueError(f'number {index}'))
    assert lines == [
        'damaged picture skipped (1 of 3 so far): number 2',
        'damaged picture skipped (2 of 3 so far): number 0',
    ]
    assert readings.damaged == [0, 2] and not readings.none_left
