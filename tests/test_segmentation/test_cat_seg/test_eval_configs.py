"""The six evaluation configs, run on pictures in their sets' own layouts.

Only the folder and the model are changed: the converters' output is made
here, with a label beyond 255 where a set has so many.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image
from tiny_cat_seg import segmentor, segmentor_cfg

from declip_mm.evaluation.label_files import write_labels

ROOT = Path(__file__).parents[3] / 'configs/cat_seg'
#: Config -> (pictures, maps, list of names or None, labels to draw, void)
SETS = dict(
    ade150=('images/validation', 'annotations/validation', None, (1, 150), 0),
    ade847=(
        'images/validation',
        'annotations/validation',
        None,
        (3, 846),
        65535,
    ),
    context59=(
        'JPEGImages',
        'SegmentationClassContext',
        'ImageSets/SegmentationContext/val.txt',
        (1, 59),
        0,
    ),
    context459=(
        'images/validation',
        'annotations/validation',
        None,
        (255, 458),
        65535,
    ),
    pas20=(
        'JPEGImages',
        'SegmentationClass',
        'ImageSets/Segmentation/val.txt',
        (1, 20),
        255,
    ),
    pas20b=(
        'JPEGImages',
        'SegmentationClassPAS20b',
        'ImageSets/Segmentation/val.txt',
        (0, 20),
        255,
    ),
)
COUNT = dict(ade847=847, context459=459)


def write_set(root, name):
    images, maps, listing, labels, void = SETS[name]
    (root / images).mkdir(parents=True)
    make = np.random.default_rng(0)
    stems = ['one', 'two']
    for stem in stems:
        picture = make.integers(0, 255, (60, 90, 3)).astype(np.uint8)
        Image.fromarray(picture).save(root / images / f'{stem}.jpg')
        found = np.full((60, 90), labels[0])
        found[:, 30:] = labels[1]
        found[50:] = void
        write_labels(str(root / maps / f'{stem}.png'), found)
    if listing:
        (root / listing).parent.mkdir(parents=True)
        (root / listing).write_text('\n'.join(stems))
    if name in COUNT:
        words = [f'name {i}' for i in range(COUNT[name])]
        (root / 'classes.txt').write_text('\n'.join(words))


@pytest.mark.parametrize('name', SETS)
def test_config_runs_end_to_end(name, tmp_path):
    write_set(tmp_path / 'data', name)
    cfg = Config.fromfile(ROOT / f'declip_eva02-b16_{name}.py')
    shipped = cfg.model.test_cfg
    cfg.model = segmentor_cfg(templates='{}')
    cfg.model['test_cfg'] = dict(shipped, size=(96, 96), crop=64, stride=32)
    cfg.test_dataloader.dataset.data_root = str(tmp_path / 'data')
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_dataloader.dataset.pipeline[1].scale = 100
    cfg.work_dir = str(tmp_path / 'work')
    cfg.experiment_name = f'{name}{tmp_path.name}'
    runner = Runner.from_cfg(cfg)
    predicted = []
    write = runner.model._write

    def watch(sample, logits):
        write(sample, logits)
        predicted.append((logits.shape[1], sample.pred_sem_seg.data))

    runner.model._write = watch
    found = runner.test()
    assert set(found) >= {'mIoU', 'aAcc'}
    assert all(0 <= found[k] <= 100 for k in ('mIoU', 'aAcc'))
    queries, labels = predicted[0]
    assert labels.shape == (1, 60, 90)
    classes = len(runner.model.dataset_meta['classes'])
    if name == 'pas20b':  # 59 words are asked for, 21 classes are scored
        assert (queries, classes) == (59, 21) and labels.max() <= 20
    else:
        assert queries == classes == COUNT.get(name, classes)
    if name == 'ade847':
        texts = runner.model.vocabulary.queries
        assert len(texts) == 847 and texts[0] == 'wall'
        assert not any(', ' in text for text in texts)
    if name == 'context59':
        assert 'diningtable' in runner.model.vocabulary.queries


def test_labels_beyond_255_are_scored(tmp_path):
    """The right answer for label 846 counts; 846 % 256 would not."""
    write_set(tmp_path / 'data', 'ade847')
    cfg = Config.fromfile(ROOT / 'declip_eva02-b16_ade847.py')
    cfg.test_dataloader.dataset.data_root = str(tmp_path / 'data')
    from mmengine.registry import init_default_scope
    from mmseg.registry import DATASETS, METRICS

    init_default_scope('mmseg')
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    metric = METRICS.build(cfg.test_evaluator)
    metric.dataset_meta = dataset.metainfo
    for index in range(2):
        sample = dataset[index]['data_samples']
        truth = sample.gt_sem_seg.data
        assert set(truth.unique().tolist()) == {3, 846, 65535}
        guess = truth.clone().masked_fill(truth == 65535, 846 % 256)
        sample.set_data(dict(pred_sem_seg=type(sample.gt_sem_seg)(data=guess)))
        metric.process({}, [sample.to_dict()])
    assert metric.evaluate(2)['mIoU'] == 100.0


def test_checkpoint_of_a_training_loads_in_a_test(tmp_path):
    """Through mmengine, which by itself would forgive missing keys."""
    model = segmentor()
    state = model.state_dict()
    path = tmp_path / 'half.pth'
    half = {k: v for k, v in state.items() if 'text_encoder' not in k}
    torch.save(dict(state_dict=half, meta={}), path)
    from mmengine.runner import load_checkpoint

    with pytest.raises(
        ValueError, match=r'Missing: all \d+ of text_encoder\.'
    ):
        load_checkpoint(model, str(path), map_location='cpu')
    torch.save(dict(state_dict=state, meta={}), path)
    load_checkpoint(model, str(path), map_location='cpu')
