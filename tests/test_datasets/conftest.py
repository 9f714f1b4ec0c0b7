"""A data set of two pictures on disk."""

import json

import numpy as np
import pytest
from coco_world import HEIGHT, WIDTH
from PIL import Image

from declip_mm.datasets import DeCLIPRegionDataset


@pytest.fixture
def world(tmp_path):
    """Writes a data set of two pictures, returns how to load it."""
    for number in (1, 2):
        noise = np.random.default_rng(number).integers(
            0, 256, (HEIGHT, WIDTH, 3), np.uint8
        )
        (tmp_path / 'img').mkdir(exist_ok=True)
        Image.fromarray(noise).save(tmp_path / 'img' / f'{number}.png')

    def load(data, **options):
        (tmp_path / 'a.json').write_text(json.dumps(data))
        given = dict(img_dir='img', image_size=64, min_area=1)
        return DeCLIPRegionDataset(
            'a.json', data_root=str(tmp_path), **dict(given, **options)
        )

    load.root = tmp_path
    return load
