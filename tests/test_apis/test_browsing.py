"""Samples of every kind of data set, as the browser shows them."""

import numpy as np
import pytest
from det_world import write_project
from mmengine.config import Config
from PIL import Image
from tool_modules import load_tool
from toy_world import NAMES, make_pictures

from declip_mm.apis import OptionError
from declip_mm.apis.browsing import browse, build_split


@pytest.fixture
def world(tmp_path):
    make_pictures(tmp_path / 'toy', 2)
    return tmp_path / 'toy'


def config(dataset, split='test', scope=None):
    made = {f'{split}_dataloader': dict(dataset=dataset)}
    return Config(dict(made, default_scope=scope))


def regions(world):
    return dict(
        type='DeCLIPRegionDataset',
        ann_file=str(world / 'annotations.json'),
        img_dir=str(world / 'images'),
        image_size=96,
    )


def test_regions_have_their_names_and_masks(world):
    dataset = build_split(config(regions(world)), 'test')
    first, second = browse(dataset, 9)
    assert first.title == '000.png' and second.title == '001.png'
    assert [NAMES[k] for k in first.kinds] == list(first.texts)
    for box, mask in zip(first.boxes, first.masks):
        x0, y0, x1, y1 = box.round().astype(int)
        assert mask[y0:y1, x0:x1].mean() > 0.9
        assert mask.sum() == pytest.approx((x1 - x0) * (y1 - y0), rel=0.1)
    # RGB: red things are red; the other box may lie over a part of one
    for sample in (first, second):
        for text, mask in zip(sample.texts, sample.masks):
            colour = sample.image[mask].mean(axis=0)
            if text == 'red thing':
                assert colour[0] > colour[2]
            if text == 'blue thing':
                assert colour[2] > colour[0]


def test_cells_and_crops_of_the_pretuning(world):
    data = dict(
        type='DeCLIPImageDataset',
        img_dir=str(world / 'images'),
        views=dict(type='DeCLIPViews', image_size=96, crop_size=32),
    )
    dataset = build_split(config(data, 'train'), 'train')
    (sample,) = browse(dataset, 1)
    assert sample.crops.shape[1:] == (32, 32, 3)
    assert len(sample.crops) == len(sample.boxes) == len(sample.texts)
    assert sample.masks is None and sample.class_map is None


def test_views_that_keep_the_aspect_and_crops_of_the_device(world):
    views = dict(type='DeCLIPViews', image_size=96, crop_size=32, max_split=1)
    data = dict(
        type='DeCLIPImageDataset',
        img_dir=str(world / 'images'),
        views=dict(views, native_patch=16, crops_on='device'),
    )
    dataset = build_split(config(data, 'train'), 'train')
    (sample,) = browse(dataset, 1)
    assert sample.image.shape == (80, 96, 3)
    assert sample.boxes.tolist() == [[0, 0, 96, 80]]  # x0 y0 x1 y1
    assert sample.crops.shape == (1, 32, 32, 3)


@pytest.mark.parametrize('lvis', [False, True])
@pytest.mark.parametrize('split', ['train', 'test'])
def test_detection_shows_boxes_in_either_split(tmp_path, lvis, split):
    pytest.importorskip('mmdet')
    cfg = Config.fromfile(write_project(tmp_path, lvis))
    dataset = build_split(cfg, split)
    found = list(browse(dataset, 3))
    texts = {text for sample in found for text in sample.texts}
    # novel annotations are not there in training
    wanted = {'red thing', 'green thing'}
    wanted |= {'blue thing'} if split == 'test' else set()
    assert texts == wanted
    for sample in found:
        height, width = sample.image.shape[:2]
        assert (sample.boxes[:, 2] <= width + 1e-3).all()
        assert (sample.boxes[:, 3] <= height + 1e-3).all()
        assert sample.masks is not None or split == 'train' and not lvis


def test_class_maps_are_brought_to_the_size_of_the_picture(world):
    pytest.importorskip('mmseg')
    import declip_mm.segmentation  # noqa: F401

    (world / 'classes.txt').write_text('\n'.join(NAMES))
    data = dict(
        type='OVSegDataset',
        data_root=str(world),
        data_prefix=dict(img_path='images', seg_map_path='semantic'),
        img_suffix='.png',
        classes_file='classes.txt',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(48, 40), keep_ratio=True),
            dict(type='LoadOVAnnotations'),
            dict(type='PackSegInputs'),
        ],
    )
    dataset = build_split(config(data, scope='mmseg'), 'test')
    (sample,) = browse(dataset, 1)
    truth = np.asarray(Image.open(world / 'semantic' / '000.png'))
    assert sample.class_map.shape == sample.image.shape[:2] == (40, 48)
    assert set(np.unique(sample.class_map)) == set(np.unique(truth))
    # RGB: label 0 is the red thing
    for label, channel in ((0, 0), (1, 1), (2, 2)):
        under = sample.image[sample.class_map == label]
        if len(under):
            assert under.mean(axis=0).argmax() == channel


def test_a_missing_split_is_named(world):
    with pytest.raises(OptionError, match='no train_dataloader.*there are t'):
        build_split(config(regions(world)), 'train')


def test_a_start_behind_the_end_is_refused(world):
    dataset = build_split(config(regions(world)), 'test')
    with pytest.raises(OptionError, match='has 2 pictures'):
        browse(dataset, 1, start=2)


def test_the_command_writes_sheets(world, tmp_path, capsys):
    path = tmp_path / 'mine.py'
    config(regions(world)).dump(path)
    out = tmp_path / 'out'
    tool = load_tool('analysis_tools/browse_dataset.py')
    tool.main([str(path), '--out', str(out), '--per-sheet', '1'])
    assert '2 sheets' in capsys.readouterr().out
    assert sorted(p.name for p in out.iterdir()) == [
        'test_000.png',
        'test_001.png',
    ]


def test_pseudo_labelled_objects_are_unknown_ones(tmp_path):
    """Not the last class, which -1 would be in a list of names."""
    from det_world import write_world

    from declip_mm.detection.pseudo.label_file import (
        label_entry,
        write_labels,
    )

    path = write_world(tmp_path)
    labels = tmp_path / 'pseudo.json'
    write_labels(labels, [label_entry(1, (5, 6, 20, 20), 0.5, 0.25)])
    load = [
        dict(type='LoadLabelledImage'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='PackOVDetInputs'),
    ]
    data = dict(
        type='OpenVocabDetDataset',
        ann_file=str(path),
        data_prefix=dict(img=str(tmp_path)),
        pseudo_file=str(labels),
        pipeline=load,
    )
    dataset = build_split(config(data, 'train', 'mmdet'), 'train')
    (sample,) = browse(dataset, 1)
    assert list(sample.texts) == ['red thing', 'unknown 0.25']
    assert sample.kinds[1] == len(dataset.metainfo['classes'])
