"""Every config, through tools/train.py and tools/test.py, as typed.

What is changed for speed is ``CHANGES`` in tests/entrance_table.py; the data
are in the official layout of each set, the weights in the files of their
publishers, both small. A line a config: ``pytest -k 'f-vit_eva02-b16'``.
"""

import json
import pickle
from fnmatch import fnmatch

import pytest
import torch
from entrance_runs import figures
from entrance_table import CHANGES, NAMES, NOT_HERE, entrance, read

pytestmark = pytest.mark.slow
COMMANDS = [
    f'{tool} {name}'
    for name in NAMES
    for tool in ('train', 'test')
    if getattr(entrance(name), tool) and name not in NOT_HERE
]
#: Figures that a validation and a test have to give.
FIGURES = (
    ('declip/*', ('region/box_thing_macc', 'region/mask_stuff_macc')),
    ('region_cls/*', ('region/box_macc', 'region/mask_macc')),
    ('*proposer*', ('objects/novel_recall_10', 'objects/base_recall_100')),
    ('f_vit/*_ov-coco*', ('coco/novel_ap50', 'coco/base_ap50')),
    ('f_vit/*_ov-lvis*', ('lvis/segm_APr', 'lvis/bbox_AP')),
    ('f_vit/*lvis2voc*', ('pascal_voc/mAP', 'pascal_voc/AP75')),
    ('f_vit/*', ('coco/bbox_mAP', 'coco/bbox_mAP_75')),
    ('ov_dquo/*_ov-coco*', ('coco/novel_ap50', 'coco/base_ap50')),
    ('ov_dquo/*_ov-lvis*', ('lvis/bbox_APr', 'lvis/bbox_AP')),
    ('ov_dquo/*lvis2voc*', ('pascal_voc/mAP', 'pascal_voc/AP75')),
    ('ov_dquo/*', ('coco/bbox_mAP', 'coco/bbox_mAP_75')),
    ('cat_seg/miniature*', ('seg/novel_mIoU', 'seg/base_mIoU')),
    ('miniature/f_vit_coco*', ('coco/novel_ap50',)),
    ('miniature/f_vit_lvis*', ('lvis/segm_APr',)),
    ('miniature/ov_dquo_coco*', ('coco/novel_ap50',)),
    ('miniature/ov_dquo_lvis*', ('lvis/bbox_APr',)),
    ('miniature/[pr]*', ('region/box_macc', 'seg/mIoU')),
    ('*', ('mIoU', 'aAcc')),
)
#: Pictures that a test looks at, where it is not a set's ordinary number.
PICTURES = (
    ('*miniature*', 4),
    ('region_cls/declip_tiny*', 4),
    # of three, one has no object of the classes
    ('*/*_ov-coco*', 2),
    ('cat_seg/*', 2),
    ('dense_seg/*', 2),
    ('*', 3),
)


def first(table, name):
    return next(value for pattern, value in table if fnmatch(name, pattern))


def check_train(folder, own):
    """A checkpoint, a loss, and the figures of the validation."""
    saved = torch.load(
        folder.parents[1] / own.checkpoint,
        map_location='cpu',
        weights_only=False,
    )
    assert not [k for k in saved['state_dict'] if 'teacher' in k]
    (scalars,) = folder.glob('*/vis_data/scalars.json')
    lines = [json.loads(n) for n in scalars.read_text().splitlines()]
    assert lines and all(v == v for line in lines for v in line.values()), (
        'a figure is no number'
    )
    losses = [line for line in lines if 'loss' in line]
    assert losses and all(line['loss'] > 0 for line in losses)
    assert all(line.get('loss_content', 1) > 0 for line in losses)
    cfg = read(own.name)
    if cfg.get('val_dataloader'):
        for name in first(FIGURES, own.name):
            assert name in lines[-1], sorted(lines[-1])
    best = cfg.default_hooks.checkpoint.get('save_best')
    if best:
        assert list(folder.glob(f'best_{best.replace("/", "_")}_*.pth'))


def check_test(folder, own, shown):
    """The figures, a prediction a picture, and every picture painted."""
    found = figures(folder)
    for name in first(FIGURES, own.name):
        assert name in found, sorted(found)
    # no figure is lost on the way to the file
    assert all(isinstance(value, float) for value in found.values()), found
    assert all(value == value for value in found.values())
    predictions = pickle.loads((folder / 'predictions.pkl').read_bytes())
    assert len(predictions) == first(PICTURES, own.name)
    if own.scope != 'mmengine':
        painted = [p for p in shown.rglob('*') if p.suffix in ('.png', '.jpg')]
        assert len(painted) == len(predictions)


@pytest.mark.parametrize('asked', COMMANDS)
def test_runs(entrances, asked):
    tool, name = asked.split(' ', 1)
    own, root = entrance(name), entrances.desk.root
    run = entrances.ask(asked).result()
    assert not run.problem, f'{run.problem}\n{run.log[-6000:]}'
    assert 'Traceback' not in run.log
    folder = root / 'work_dirs' / own.stem
    if tool == 'train':
        check_train(folder, own)
    else:
        check_test(folder, own, root / 'shown' / name[:-3])


@pytest.mark.parametrize('name', NOT_HERE)
def test_what_cannot_run_here_says_so(entrances, name):
    """In a line, before anything is built."""
    run = entrances.desk.run('mmengine', *entrance(name).train)
    assert run.code == 1 and 'Traceback' not in run.log
    assert NOT_HERE[name] in run.log


def test_what_only_trains_is_not_tested(entrances):
    name = 'declip/pretune_dinov2_siglip2-b16.py'
    path = f'configs/{name}'
    run = entrances.desk.run('mmengine', 'tools/test.py', path, 'none')
    assert run.code == 1
    assert run.log.startswith(f'test.py: {path} has no test_dataloader')
    assert run.log.count('\n') == 1


def test_what_only_measures_is_not_trained(entrances):
    path = 'configs/region_cls/eva02-b16_coco-panoptic.py'
    run = entrances.desk.run('mmengine', 'tools/train.py', path)
    assert run.code == 1 and 'Traceback' not in run.log
    assert f'{path} has no train_dataloader' in run.log
    assert f'tools/test.py {path} CHECKPOINT' in run.log


def test_every_change_is_of_use():
    for change in CHANGES:
        for pattern in change.names:
            assert any(fnmatch(name, pattern) for name in NAMES), pattern
