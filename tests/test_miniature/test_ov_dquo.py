"""The miniature table of OV-DQUO: labels, configs, jobs."""

import json
from pathlib import Path

import pytest
from mmengine.registry import init_default_scope

from declip_mm.detection.pseudo.base_only import read_base_only
from declip_mm.detection.pseudo.label_file import read_labels
from declip_mm.miniature import build_world, ov_dquo, pseudo_labels, squares
from declip_mm.miniature.converters.detection import write_detection_world
from declip_mm.miniature.ladder.report import table


@pytest.fixture(autouse=True)
def _mmdet_scope(_fresh_scope):
    init_default_scope('mmdet')


@pytest.fixture(scope='module')
def world(tmp_path_factory):
    world = build_world(
        tmp_path_factory.mktemp('world'), train=12, val=4, processes=1
    )
    write_detection_world(world)
    return squares.build_squares(world, world)


def read(path):
    return json.loads(Path(path).read_text())


def test_the_pipeline_sees_base_boxes_alone(world, tmp_path):
    path = pseudo_labels.write_base(world, tmp_path / 'base.json')
    found, every = (
        read_base_only(path),
        read(world / 'detection/coco/train.json'),
    )
    novel = {c['id'] for c in every['categories'] if c['novel']}
    kept = [a for a in every['annotations'] if a['category_id'] not in novel]
    assert len(found['annotations']) == len(kept) < len(every['annotations'])


def test_perfect_labels_are_the_novel_boxes(world, tmp_path):
    path = pseudo_labels.write_perfect(world, 'toy', tmp_path / 'p.json')
    every = read(world / 'detection/coco/toy.json')
    novel = {c['id'] for c in every['categories'] if c['novel']}
    boxes = [
        [float(v) for v in a['bbox']]
        for a in every['annotations']
        if a['category_id'] in novel
    ]
    found = [e for own in read_labels(path).values() for e in own]
    assert sorted(e['bbox'] for e in found) == sorted(boxes)
    assert all(e['weight'] == 1 for e in found)


def job(world, folder, labels=None, layout='coco', **options):
    given = dict(
        name='none seed 0',
        seed=0,
        affinity='qq',
        weights=None,
        world=world,
        folder=folder,
        layout=layout,
        epochs=1,
        train='toy',
        splits=('toy',),
        labels=labels,
    )
    return ov_dquo.DetectorJob(**dict(given, **options))


@pytest.mark.parametrize('layout', ['coco', 'lvis'])
def test_detector_config_takes_labels_and_weights_in(world, tmp_path, layout):
    cfg = ov_dquo.detector_config(
        job(
            *(world, tmp_path / 'row/0', Path('labels.json'), layout),
            weights=Path('weights.pth'),
            affinity='maskclip',
            epochs=3,
        )
    )
    assert cfg.model.backbone.init_cfg.checkpoint == 'weights.pth'
    assert cfg.model.backbone.last_tap == 'maskclip'
    assert cfg.train_dataloader.dataset.pseudo_file == 'labels.json'
    assert cfg.train_dataloader.dataset.ann_file.endswith(f'{layout}/toy.json')
    assert cfg.param_scheduler[1].T_max == cfg.train_cfg.max_epochs == 3
    # the others have none
    cfg = ov_dquo.detector_config(job(world, tmp_path / 'row/0'))
    assert 'pseudo_file' not in cfg.train_dataloader.dataset


def test_squares_lie_in_their_boxes(world):
    """Both layouts; base and novel names; the class map has their texts."""
    import numpy as np
    from PIL import Image

    colours = read(world / 'colours.json')
    for layout in ('coco', 'lvis'):
        content = read(world / f'detection/{layout}/toy.json')
        names = {c['id']: c['name'] for c in content['categories']}
        assert len(content['images']) == squares.SCENES
        assert {names[a['category_id']] for a in content['annotations']} == (
            set(colours)
        )
        for note in content['annotations'][:40]:
            x, y, w, h = map(int, note['bbox'])
            path = world / f'toy/images/{note["image_id"]:06d}.png'
            part = np.asarray(Image.open(path))[y : y + h, x : x + w]
            assert (part == colours[names[note['category_id']]]).all()


def test_the_toys_clip_names_every_square(world, tmp_path):
    import torch
    from mmengine.registry import MODELS

    cfg = ov_dquo.detector_config(job(world, tmp_path))
    backbone = MODELS.build(cfg.model.backbone)
    backbone.init_weights()
    pixels = torch.full((1, 3, 112, 112), 110.0)
    name, colour = list(backbone.colours.items())[3]
    pixels[0, :, 28:56, 56:84] = torch.tensor(colour).float()[:, None, None]
    mean, std = (
        torch.tensor(values).view(3, 1, 1)
        for values in (backbone.pixel_mean, backbone.pixel_std)
    )
    dense = backbone.forward_dense((pixels / 255 - mean) / std, (5,))
    rows = backbone._content_rows()
    assert torch.allclose(
        dense.content[0, :, 2:4, 4:6].movedim(0, -1), rows[3]
    )
    assert torch.allclose(dense.content[0, :, 0, 0], rows[-1])
    assert list(backbone.colours)[3] == name and len(dense.taps) == 1


def test_toy_has_rows_of_its_own(capsys):
    with pytest.raises(SystemExit):
        ov_dquo.parse_args(['--toy', '--rows', 'pipeline'])
    assert 'has the rows none, perfect' in capsys.readouterr().err


def test_another_length_of_proposers_is_another_detector(world, tmp_path):
    def folders(epochs):
        given = ['--work-dir', str(tmp_path), '--seeds', '1']
        args = ov_dquo.parse_args([*given, '--proposer-epochs', str(epochs)])
        weights = {(ov_dquo.DECOUPLED.name, 0): tmp_path / 'w.pth'}
        labels = ov_dquo.label_jobs(args, world, weights)
        jobs = ov_dquo.detector_jobs(
            args, world, ('none', 'pipeline'), weights, labels
        )
        return {job.name: job.folder for job in jobs}

    short, long = folders(1), folders(2)
    assert short['none seed 0'] == long['none seed 0']
    assert short['pipeline seed 0'] != long['pipeline seed 0']


@pytest.mark.slow
@pytest.mark.parametrize('layout', ['coco', 'lvis'])
def test_detectors_train_and_make_a_table(world, tmp_path, layout):
    labels = pseudo_labels.write_perfect(world, 'toy', tmp_path / 'p.json')
    one = job(world, tmp_path / 'perfect/0', labels, layout)
    assert not one.done()
    ov_dquo.run_job(one)
    assert one.done() and (one.folder / 'detector.pth').is_file()
    (row,) = ov_dquo.as_rows(['none'], [one], layout)
    for name in ov_dquo.METRICS[layout].values():
        assert 0 <= row[name]['mean'] <= 100
    assert '| none |' in table(ov_dquo.HEAD, [row])


@pytest.mark.slow
def test_labels_are_made_by_the_pipeline(world, tmp_path):
    one = pseudo_labels.LabelJob(
        name='labels seed 0',
        seed=0,
        affinity='qq',
        weights=None,
        world=world,
        folder=tmp_path / 'labels/0',
        epochs=1,
        base=pseudo_labels.write_base(world, tmp_path / 'base.json'),
    )
    ov_dquo.run_job(one)
    assert one.done()
    assert read_labels(one.labels)
