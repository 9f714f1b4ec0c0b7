"""EXIF: one rule for pre-finetuning, regions, detection, segmentation.

A picture is turned if its labels fit it then, and only then.
"""

import json

import numpy as np
import pytest
from mmdet.registry import DATASETS
from orientations import save_turned
from PIL import Image
from seg_world import load_set, write_set

import declip_mm.detection  # noqa: F401  (registers the data sets)
from declip_mm.datasets import DeCLIPImageDataset, DeCLIPRegionDataset
from declip_mm.datasets.decoding import read_size

HEIGHT, WIDTH = 16, 24


def write_picture(path, orientation, size=(WIDTH, HEIGHT)):
    """A file with an EXIF orientation; the picture upright and as stored."""
    noise = np.random.default_rng(0)
    pixels = noise.integers(0, 256, (size[1], size[0], 3), np.uint8)
    upright = Image.fromarray(pixels)
    stored = save_turned(upright, path, orientation)
    return pixels, np.asarray(stored)


def write_labels(folder, height, width):
    """A json with one box over all of the picture."""
    content = dict(
        images=[dict(id=1, file_name='a.png', height=height, width=width)],
        annotations=[
            dict(
                id=1,
                image_id=1,
                category_id=1,
                bbox=[0, 0, width, height],
                area=height * width,
                iscrowd=0,
                segmentation=[
                    [0, 0, width, 0, width, height, 0, height],
                ],
            )
        ],
        categories=[dict(id=1, name='cat', isthing=1)],
    )
    path = folder / 'labels.json'
    path.write_text(json.dumps(content))
    return str(path)


def detection(folder, labels, loader='LoadLabelledImage', **options):
    return DATASETS.build(
        dict(
            type='mmdet.OpenVocabDetDataset',
            ann_file=labels,
            data_prefix=dict(img=str(folder)),
            pipeline=[dict(type=loader), dict(type='mmdet.PackDetInputs')],
            serialize_data=False,
            **options,
        )
    )


def segmentation(folder, shape, **options):
    """The data set of a.png with a class map of a shape."""
    root = folder / 'seg'
    root.mkdir()
    write_set(root, ('a',), '.png', np.zeros(shape, np.uint8))
    (folder / 'a.png').replace(root / 'images' / 'a.png')
    return load_set(root, **options)


def seen(folder, shape):
    """Pixels (H, W, 3) RGB that each of the four gives, and the data sets."""
    labels = write_labels(folder, *shape)
    options = dict(img_dir=str(folder), serialize_data=False)
    side = max(shape)
    views = dict(type='DeCLIPViews', image_size=side, crop_size=8)
    sets = dict(
        pretuning=DeCLIPImageDataset(
            ann_file=labels, proposals=True, views=views, **options
        ),
        regions=DeCLIPRegionDataset(labels, image_size=side, **options),
        detection=detection(folder, labels),
    )
    found = {
        name: data[0]['inputs']['image'][:, : shape[0], : shape[1]].numpy()
        for name, data in sets.items()
        if name != 'detection'
    }
    found['detection'] = sets['detection'][0]['inputs'].flip(0).numpy()
    sets['segmentation'] = segmentation(folder, shape)
    sample = sets['segmentation'][0]
    found['segmentation'] = sample['inputs'].flip(0).numpy()
    assert sample['data_samples'].gt_sem_seg.shape == shape
    return {k: v.transpose(1, 2, 0) for k, v in found.items()}, sets


@pytest.mark.parametrize('orientation', range(1, 9))
def test_labels_of_the_upright_picture(tmp_path, orientation):
    upright, _ = write_picture(tmp_path / 'a.png', orientation)
    assert read_size(tmp_path / 'a.png') == (HEIGHT, WIDTH)
    found, sets = seen(tmp_path, (HEIGHT, WIDTH))
    for name, pixels in found.items():
        assert np.array_equal(pixels, upright), name
    for name, data in sets.items():
        # half turns and mirrors fit either way
        assert len(data.undecided) == (orientation in (2, 3, 4)), name


@pytest.mark.parametrize('orientation', (5, 6, 7, 8))
def test_labels_of_the_stored_picture(tmp_path, orientation):
    _, stored = write_picture(tmp_path / 'a.png', orientation)
    found, sets = seen(tmp_path, (WIDTH, HEIGHT))
    for name, pixels in found.items():
        assert np.array_equal(pixels, stored), name
    assert not any(data.undecided for data in sets.values())


def test_a_square_picture_is_turned_and_noted(tmp_path):
    upright, _ = write_picture(tmp_path / 'a.png', 6, (16, 16))
    found, sets = seen(tmp_path, (16, 16))
    for name, pixels in found.items():
        assert np.array_equal(pixels, upright), name
    for name, data in sets.items():
        (path,) = data.undecided
        assert path.endswith('a.png'), name


def test_what_mmcv_turned_away_from_its_labels_is_refused(tmp_path):
    write_picture(tmp_path / 'a.png', 6)
    labels = write_labels(tmp_path, WIDTH, HEIGHT)
    data = detection(tmp_path, labels, 'LoadImageFromFile')
    wanted = f'as {HEIGHT} x {WIDTH} .* EXIF turned it.*LoadLabelledImage'
    with pytest.raises(ValueError, match=wanted):
        data[0]
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='mmseg.LoadOVAnnotations'),
        dict(type='mmseg.PackSegInputs'),
    ]
    data = segmentation(tmp_path, (WIDTH, HEIGHT), pipeline=pipeline)
    with pytest.raises(ValueError, match=wanted):
        data[0]
