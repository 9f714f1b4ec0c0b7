"""Mosaics of captioned pictures for CLIM."""

import json

import numpy as np
import pytest
from PIL import Image

from declip_mm.datasets import DeCLIPMosaicDataset
from declip_mm.datasets.mosaics import compose_mosaic


@pytest.fixture
def captions(tmp_path):
    """40 pictures of one colour each; the caption is the red value."""
    (tmp_path / 'img').mkdir()
    images, notes = [], []
    for number in range(41):
        name = f'{number}.png'
        colour = (6 * number, 0, 0)
        Image.new('RGB', (20 + number, 24), colour).save(
            tmp_path / 'img' / name
        )
        size = dict(height=24, width=20 + number)
        images.append(dict(id=number, file_name=name, **size))
        if number:
            text = str(6 * number)
            notes.append(dict(image_id=number, caption=text))
    content = dict(images=images, annotations=notes)
    (tmp_path / 'c.json').write_text(json.dumps(content))
    return tmp_path


def load(root, **options):
    given = dict(img_dir='img', ann_file='c.json', image_size=64, seed=3)
    return DeCLIPMosaicDataset(data_root=str(root), **dict(given, **options))


def test_cells_show_what_their_captions_say(captions):
    found = load(captions)
    assert len(found) == 3  # one round of 4 + 9 + 16 of 40 pictures
    shown = []
    for index, count in enumerate((4, 9, 16)):
        item = found[index]
        image = item['inputs']['image']
        sample = item['data_samples']
        assert image.shape == (3, 64, 64)
        assert sample.boxes.shape == (count, 4)
        assert len(sample.captions) == count
        centres = (sample.boxes[:, :2] + sample.boxes[:, 2:]) / 2 * 64
        for (x, y), text in zip(centres.long().tolist(), sample.captions):
            assert abs(int(image[0, y, x]) - int(text)) <= 3
        shown += sample.captions
    assert len(set(shown)) == 29  # nothing twice
    assert found[-1]['data_samples'].captions == sample.captions


def test_an_epoch_has_its_own_order_and_repeats_it(captions):
    found = load(captions)
    first = found[1]['data_samples'].captions
    found.set_epoch(1)
    assert found[1]['data_samples'].captions != first
    found.set_epoch(0)
    assert found[1]['data_samples'].captions == first
    assert found.damaged == []


def test_a_crop_is_most_of_a_picture():
    ramp = np.tile(np.arange(200, dtype=np.uint8), (200, 1))
    picture = Image.fromarray(np.stack([ramp] * 3, -1))
    spans = set()
    for seed in range(5):
        rng = np.random.default_rng(seed)
        image, cells = compose_mosaic([picture], rng, 32)
        assert cells.tolist() == [[0, 0, 1, 1]]
        width = int(image[0, 16, -1]) - int(image[0, 16, 0])
        assert 100 <= width <= 200
        spans.add(width)
    assert len(spans) > 1


def test_too_few_pictures(captions):
    with pytest.raises(ValueError, match='has 12 pictures.*takes 29'):
        load(captions, indices=12)
    with pytest.raises(ValueError, match='set ann_file'):
        load(captions, ann_file='')


def test_a_caption_of_no_picture(captions):
    content = json.loads((captions / 'c.json').read_text())
    content['annotations'].append(dict(image_id=99, caption='x'))
    (captions / 'c.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match='image_id=99, which is none of'):
        load(captions)
