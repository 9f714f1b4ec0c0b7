"""Pictures that keep their aspect, from the folder to the batch."""

import json

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from PIL import Image

from declip_mm.datasets import DeCLIPImageDataset
from declip_mm.models import DeCLIPPreprocessor

VIEWS = dict(
    type='DeCLIPViews',
    image_size=64,
    crop_size=16,
    vfm_size=56,
    max_split=2,
    native_patch=16,
)
SIZES = [(80, 60), (60, 80), (80, 61), (60, 60), (200, 40), (81, 60)]


def paint(path, width, height, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(width).integers(
        1, 256, (height, width, 3), np.uint8
    )
    Image.fromarray(noise).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    for index, size in enumerate(SIZES):
        paint(tmp_path / f'{index}.png', *size)
    return tmp_path


def dataset(folder, **options):
    views = dict(VIEWS, **options.pop('views', {}))
    return DeCLIPImageDataset(str(folder), views=views, seed=0, **options)


def grid(item, patch=16):
    return tuple(n // patch for n in item['inputs']['image'].shape[1:])


def test_shapes_follow_the_pictures(folder):
    found = dataset(folder)
    assert [grid(found[i]) for i in range(6)] == [
        (3, 4),
        (4, 3),
        (3, 4),
        (4, 4),
        (2, 4),
        (3, 4),
    ]
    for index in range(6):
        item = found[index]
        assert grid(item) == tuple(
            n // 14 for n in item['inputs']['vfm'].shape[1:]
        )
        valid = item['data_samples'].valid_hw.tolist()
        assert (valid == [1, 1]) == (index != 4)  # 5:1 is padded


def test_exif_turns_the_shape(folder):
    turned = Image.Exif()
    turned[0x0112] = 6
    paint(folder / '0.png', 80, 60, exif=turned)
    found = dataset(folder)
    assert grid(found[0]) == (4, 3)
    assert found[0]['data_samples'].valid_hw.tolist() == [1, 1]


def test_a_damaged_picture_leaves_a_batch_in_one_shape(folder):
    data = (folder / '2.png').read_bytes()
    (folder / '2.png').write_bytes(data[: len(data) // 2])
    found = dataset(folder)
    item = found[2]  # its header is whole: 3 x 4; number 3 is square
    assert item['data_samples'].substituted_for.endswith('2.png')
    assert grid(item) == (3, 4)
    assert item['data_samples'].valid_hw.tolist() == [1, 0.75]
    (folder / '2.png').write_bytes(b'no picture at all')
    assert grid(dataset(folder)[2]) == (4, 4)


def test_a_part_of_the_pictures(folder):
    assert len(dataset(folder, indices=2).buckets) == 2


def test_proposals_know_their_sizes(folder):
    images = [
        dict(id=i, file_name=f'{i}.png', width=w, height=h)
        for i, (w, h) in enumerate(SIZES)
    ]
    boxes = [
        dict(id=i, image_id=i, bbox=[10, 10, 20, 20], category_id=1)
        for i in range(6)
    ]
    content = dict(images=images, annotations=boxes)
    (folder / 'boxes.json').write_text(json.dumps(content))
    found = dataset(folder, ann_file='boxes.json', proposals=True)
    item = found[1]  # 60 x 80 in 48 x 64 pixels
    assert grid(item) == (4, 3)
    torch.testing.assert_close(
        item['data_samples'].boxes,
        torch.tensor([[10 / 60, 10 / 80, 30 / 60, 30 / 80]]),
    )


def loader(folder, **options):
    cfg = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=True),
        batch_sampler=dict(type='BucketBatchSampler'),
        collate_fn=dict(type='pseudo_collate'),
        dataset=dict(
            type='DeCLIPImageDataset', img_dir=str(folder), views=VIEWS
        ),
    )
    return Runner.build_dataloader(dict(cfg, **options), seed=0)


def test_batches_pass_the_preprocessor(folder):
    preprocess, shapes = DeCLIPPreprocessor(), set()
    batches = list(loader(folder))
    assert len(batches) == len(loader(folder)) == 5
    for batch in batches:
        inputs = preprocess(batch)['inputs']
        shapes.add(tuple(inputs['image'].shape))
    assert shapes == {
        (2, 3, 48, 64),
        (1, 3, 48, 64),
        (1, 3, 64, 48),
        (1, 3, 64, 64),
        (1, 3, 32, 64),
    }


def test_mixed_shapes_say_what_they_need(folder):
    batch = next(iter(loader(folder, batch_sampler=None, batch_size=6)))
    with pytest.raises(ValueError, match='BucketBatchSampler'):
        DeCLIPPreprocessor()(batch)
