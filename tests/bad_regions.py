"""Region data sets of files that the tests write."""

import json
from collections.abc import Callable
from typing import Any

from coco_world import HEIGHT, WIDTH
from PIL import Image

from declip_mm.datasets import DeCLIPRegionDataset


def dataset(folder, value: Any, **options) -> DeCLIPRegionDataset:
    for name in ('1.png', '2.png'):
        Image.new('RGB', (WIDTH, HEIGHT), 'red').save(folder / name)
    path = folder / 'regions.json'
    text = value if isinstance(value, str) else json.dumps(value)
    path.write_text(text, 'utf-8', 'surrogateescape')
    options.setdefault('image_size', 32)
    # Serialising collects garbage, of all the process has.
    return DeCLIPRegionDataset(
        str(path), str(folder), serialize_data=False, **options
    )


def with_file(value: Any, **options) -> Callable:
    return lambda folder: len(dataset(folder, value, **options))
