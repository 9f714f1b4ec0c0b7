"""The layouts of all sets, made of two pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from declip_mm.miniature.converters.segmentation import write_sets


@pytest.fixture(scope='session')
def world(tmp_path_factory):
    """Two pictures of three drawings, like a split of the world."""
    split = tmp_path_factory.mktemp('world') / 'val_known'
    for name in ('images', 'semantic'):
        (split / name).mkdir(parents=True)
    draw = np.random.default_rng(0)
    for number in range(2):
        stem = f'{number:06d}'
        image = draw.integers(0, 255, (60, 90, 3), np.uint8)
        Image.fromarray(image).save(split / 'images' / f'{stem}.jpg')
        labels = np.full((60, 90), 255, np.uint8)
        for label in range(3):
            labels[10:50, 30 * label : 30 * label + 25] = label
        Image.fromarray(labels).save(split / 'semantic' / f'{stem}.png')
    names = ('car', 'apple', 'dinosaur')
    content = dict(categories=[dict(name=n) for n in names])
    (split / 'annotations.json').write_text(json.dumps(content))
    return split.parent


@pytest.fixture(scope='session')
def mini(world, tmp_path_factory):
    out = tmp_path_factory.mktemp('mini_seg')
    write_sets(world, 'val_known', out, 2)
    return out
