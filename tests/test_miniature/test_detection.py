"""The miniature world in COCO's and LVIS's layout, and its detector jobs."""

import json
from pathlib import Path

import pytest
from mmdet.registry import DATASETS, METRICS
from mmengine.registry import init_default_scope

import declip_mm.detection  # noqa: F401  (registers the parts)
from declip_mm.miniature import build_world, f_vit
from declip_mm.miniature.converters import detection as converter
from declip_mm.miniature.ladder.report import table

NAMES = [f'thing {i:02d}' for i in range(20)]


@pytest.fixture(autouse=True)
def _mmdet_scope(_fresh_scope):
    init_default_scope('mmdet')


def world_file(folder):
    """20 known names and an unseen one, an object of each in every image."""
    categories = [
        dict(id=i + 1, name=n, isthing=1, unseen=False)
        for i, n in enumerate(NAMES)
    ]
    categories.append(dict(id=21, name='unseen', isthing=1, unseen=True))
    images = [
        dict(id=i, file_name=f'{i:06d}.jpg', height=224, width=224)
        for i in (1, 2, 3)
    ]
    notes = [
        dict(
            id=number + 1,
            image_id=1 + number % 3,
            category_id=1 + number % 21,
            bbox=[10, 10, 60, 60],
            area=3600,
            iscrowd=0,
            segmentation=[[10.0, 10, 70, 10, 70, 70, 10, 70]],
        )
        for number in range(21)
    ]
    for split in ('train', 'val_known'):
        path = folder / split / 'annotations.json'
        (path.parent / 'images').mkdir(parents=True)
        for image in images:
            (path.parent / 'images' / image['file_name']).touch()
        path.write_text(
            json.dumps(
                dict(
                    info=dict(split=split),
                    images=images,
                    annotations=notes,
                    categories=categories,
                )
            )
        )
    converter.write_detection_world(folder)
    return folder


def dataset(world, layout, split, test_mode):
    part = 'images/' if layout == 'coco' else ''
    return DATASETS.build(
        dict(
            type='OpenVocabDetDataset',
            ann_file=str(world / f'detection/{layout}/{split}.json'),
            data_prefix=dict(img=f'{world}/{split}/{part}'),
            test_mode=test_mode,
            pipeline=[],
        )
    )


@pytest.mark.parametrize('layout', ['coco', 'lvis'])
def test_novel_names_have_no_training_annotation(tmp_path, layout):
    world = world_file(tmp_path)
    train = dataset(world, layout, 'train', False)
    novel = set(train.metainfo['novel_classes'])
    assert novel == set(NAMES[1::4])
    assert len(train.metainfo['base_classes']) == 15
    assert 'unseen' not in train.metainfo['classes']
    seen = {
        train.metainfo['classes'][o['bbox_label']]
        for i in range(len(train))
        for o in train.get_data_info(i)['instances']
    }
    assert seen == set(train.metainfo['base_classes'])
    test = dataset(world, layout, 'val_known', True)
    path = test.get_data_info(0)['img_path']
    assert path == f'{world}/val_known/images/000001.jpg'
    assert sum(len(test[i]['instances']) for i in range(3)) == 20


def test_lvis_layout_can_be_measured(tmp_path):
    world = world_file(tmp_path)
    path = world / 'detection/lvis/val_known.json'
    content = json.loads(path.read_text())
    METRICS.build(dict(type='FasterLVISMetric', ann_file=str(path)))
    by_frequency = {
        f: sum(c['frequency'] == f for c in content['categories'])
        for f in 'rcf'
    }
    assert by_frequency == dict(r=5, c=7, f=8)
    for image in content['images']:
        own = {
            a['category_id']
            for a in content['annotations']
            if a['image_id'] == image['id']
        }
        assert not own & set(image['neg_category_ids'])
        assert len(image['neg_category_ids']) == converter.NEGATIVES
    # the same file twice
    converter.write_detection_world(world)
    assert json.loads(path.read_text()) == content


@pytest.mark.parametrize(
    'affinity, tap', [('maskclip', 'maskclip'), ('qq', 'decoupled')]
)
def test_detector_config_takes_the_backbone_in(tmp_path, affinity, tap):
    job = f_vit.DetectorJob(
        name='row seed 1',
        seed=1,
        affinity=affinity,
        weights=Path('weights.pth'),
        world=tmp_path,
        folder=tmp_path / 'row/1',
        epochs=2,
        splits=('val_known',),
    )
    cfg = f_vit.detector_config(job)
    assert cfg.model.backbone.last_tap == tap
    assert cfg.model.backbone.pretrained is None
    assert cfg.model.backbone.init_cfg.checkpoint == 'weights.pth'
    assert cfg.param_scheduler[1].T_max == cfg.train_cfg.max_epochs == 2
    assert 'train.json' in cfg.train_dataloader.dataset.ann_file
    # the fusion is chosen where nothing is reported
    assert 'tune_known' in cfg.test_evaluator.ann_file
    assert job.fusion == tmp_path / 'row/fusion.json'


@pytest.fixture(scope='module')
def small_world(tmp_path_factory):
    world = build_world(tmp_path_factory.mktemp('world'), train=8, val=4)
    converter.write_detection_world(world)
    return world


@pytest.mark.slow
def test_detectors_train_and_make_a_table(small_world, tmp_path, monkeypatch):
    """Two seeds; the second takes the fusion that the first has chosen."""
    monkeypatch.setattr(f_vit, 'BETAS', (0.5, 0.9))
    monkeypatch.setattr(f_vit, 'ALPHAS', (0.1,))
    monkeypatch.setattr(f_vit, 'TAUS', (45,))
    jobs = [
        f_vit.DetectorJob(
            name=f'declip seed {seed}',
            seed=seed,
            affinity='qq',
            weights=None,
            world=small_world,
            folder=tmp_path / 'declip' / str(seed),
            epochs=1,
            splits=('val_known', 'val_heldout'),
        )
        for seed in (0, 1)
    ]
    for job in jobs:
        assert not job.done()
        f_vit.run_detector(job)
        assert job.done() and (job.folder / 'detector.pth').is_file()
    chosen = json.loads(jobs[0].fusion.read_text())
    assert len(chosen['rows']) == 2 and chosen['split'] == 'tune_known'
    (row,) = f_vit.as_rows(['declip'], jobs)
    assert row['fusion'] == chosen['best']
    for metric in ('novel_ap50', 'base_ap50', 'heldout_novel_ap50'):
        assert len(row[metric]['values']) == 2
        assert 0 <= row[metric]['mean'] <= 100
    assert '| declip |' in table(f_vit.HEAD, [row])
