"""The epoch reaches the data; damaged pictures are reported."""

from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from PIL import Image
from torch.utils.data import Subset

from declip_mm.datasets import DeCLIPImageDataset
from declip_mm.engine import DamagedImagesHook, EpochSyncHook


def pictures(root, count=2, **options):
    root.mkdir(exist_ok=True)
    for index in range(count):
        image = Image.fromarray(np.zeros((8, 8, 3), np.uint8))
        image.save(root / f'{index}.png')
    views = dict(type='DeCLIPViews', image_size=8, crop_size=8)
    return DeCLIPImageDataset(str(root), views=views, **options)


def stub(dataset, loop=EpochBasedTrainLoop, epoch=3, seed=11):
    """What the hooks see of a runner."""
    lines = []
    return SimpleNamespace(
        train_loop=object.__new__(loop),
        train_dataloader=SimpleNamespace(dataset=dataset),
        epoch=epoch,
        seed=seed,
        logger=SimpleNamespace(log=lambda level, text: lines.append(text)),
        lines=lines,
    )


def sync(dataset, **options):
    hook = HOOKS.build(dict(type='EpochSyncHook'))
    runner = stub(dataset, **options)
    hook.before_train(runner)
    hook.before_train_epoch(runner)


@pytest.mark.parametrize('wrapped', ['plain', 'concat', 'repeat', 'nested'])
def test_epoch_and_seed_reach_the_data(tmp_path, wrapped):
    parts = [pictures(tmp_path / 'a'), pictures(tmp_path / 'b', seed=5)]
    wrap = {
        'plain': lambda: parts[0],
        'concat': lambda: ConcatDataset(parts),
        'repeat': lambda: RepeatDataset(parts[0], 2),
        'nested': lambda: Subset(ConcatDataset(parts), [0, 2]),
    }
    sync(wrap[wrapped]())
    assert (parts[0].epoch, parts[0].seed) == (3, 11)
    if wrapped in ('concat', 'nested'):
        assert (parts[1].epoch, parts[1].seed) == (3, 5)


def test_iterations_have_no_epochs(tmp_path):
    with pytest.raises(TypeError, match='train_cfg is a IterBasedTrainLoop'):
        sync(pictures(tmp_path), loop=IterBasedTrainLoop)


def test_data_without_epochs_is_refused():
    data = BaseDataset(lazy_init=True)
    with pytest.raises(TypeError, match='BaseDataset has no set_epoch'):
        sync(data)


def test_damaged_pictures_are_named_each_epoch(tmp_path):
    data = pictures(tmp_path, 5)
    hook = DamagedImagesHook(most=2)
    runner = stub(ConcatDataset([data]))
    hook.after_train_epoch(runner)
    assert runner.lines == []
    for index in (1, 2, 3):
        (tmp_path / f'{index}.png').write_bytes(b'')
    assert data[1]['data_samples'].img_id == 4
    hook.after_train_epoch(runner)
    (line,) = runner.lines
    assert line.startswith('3 damaged pictures')
    assert '1.png' in line and '2.png and 1 more' in line


def test_hooks_are_registered():
    assert HOOKS.get('EpochSyncHook') is EpochSyncHook
    assert HOOKS.get('DamagedImagesHook') is DamagedImagesHook
