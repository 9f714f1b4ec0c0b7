"""Everything that reads a COCO json, on one small sound file and its kin.

The sound file has two pictures, three boxes of two classes and a crowd.
"""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coco_world import HEIGHT, WIDTH
from PIL import Image

from declip_mm.datasets import DeCLIPImageDataset, DeCLIPRegionDataset

#: x, y, width, height; the first picture has two of them.
BOXES = ([10, 10, 20, 12], [4, 6, 12, 20], [30, 8, 30, 20])


def polygon(x, y, width, height):
    right, bottom = x + width, y + height
    return [[x, y, right, y, right, bottom, x, bottom]]


def sound() -> dict:
    names = ('deep/1.png', 'deep/2.png')
    images = [
        dict(id=n, file_name=name, height=HEIGHT, width=WIDTH)
        for n, name in zip((11, 12), names)
    ]
    places = ((11, 7), (11, 3), (12, 3))
    annotations = [
        dict(
            id=n,
            image_id=image,
            category_id=category,
            bbox=list(box),
            area=box[2] * box[3],
            iscrowd=0,
            segmentation=polygon(*box),
        )
        for n, ((image, category), box) in enumerate(zip(places, BOXES), 21)
    ]
    crowd = dict(size=[HEIGHT, WIDTH], counts=[0, 40, HEIGHT * WIDTH - 40])
    annotations.append(
        dict(annotations[0], id=29, iscrowd=1, segmentation=crowd)
    )
    categories = [dict(id=7, name='sky'), dict(id=3, name='cat')]
    return dict(images=images, annotations=annotations, categories=categories)


def write(folder: Path, content: Any) -> Path:
    """Pictures below ``img`` and the file; bytes are written as they are."""
    (folder / 'img/deep').mkdir(parents=True, exist_ok=True)
    for number in (1, 2):
        picture = Image.new('RGB', (WIDTH, HEIGHT), 'red')
        picture.save(folder / f'img/deep/{number}.png')
    path = folder / 'a.json'
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(json.dumps(content), 'utf-8')
    return path


def changed(change: Callable[[dict], Any]) -> Any:
    """The sound content after a change, which may return another one."""
    content = copy.deepcopy(sound())
    other = change(content)
    return content if other is None else other


def detection(folder: Path, content: Any, masks: bool = False, **options):
    """Picture -> labels and corners of its boxes, crowds flagged."""
    from declip_mm.detection import OpenVocabDetDataset

    path = write(folder, content)
    load = dict(type='mmdet.LoadAnnotations', with_mask=masks)
    found = OpenVocabDetDataset(
        ann_file=str(path),
        data_prefix=dict(img=str(folder / 'img')),
        pipeline=[load],
        serialize_data=False,
        **options,
    )
    infos = [found.get_data_info(i) for i in range(len(found))]
    return {
        str(Path(info['img_path']).relative_to(folder / 'img')): [
            (i['bbox_label'], i['ignore_flag'], list(map(float, i['bbox'])))
            for i in info['instances']
        ]
        for info in infos
    }


def proposals(folder: Path, content: Any) -> dict:
    """Picture -> corners of its boxes."""
    write(folder, content)
    found = DeCLIPImageDataset(
        str(folder), 'img', 'a.json', proposals=True, serialize_data=False
    )
    infos = [found.get_data_info(i) for i in range(len(found))]
    return {i['file_name']: [list(b) for b in i['boxes']] for i in infos}


def regions(folder: Path, content: Any, **options) -> dict:
    """Picture -> labels and corners of its regions."""
    path = write(folder, content)
    found = DeCLIPRegionDataset(
        str(path),
        str(folder / 'img'),
        image_size=32,
        serialize_data=False,
        **options,
    )
    infos = [found.get_data_info(i) for i in range(len(found))]
    return {
        i['file_name']: [(r['label'], list(r['box'])) for r in i['regions']]
        for i in infos
    }


def unlabelled(folder: Path, content: Any) -> list[str]:
    """Names of the pictures."""
    write(folder, content)
    found = DeCLIPImageDataset(
        str(folder), 'img', 'a.json', serialize_data=False
    )
    return [found.get_data_info(i)['file_name'] for i in range(len(found))]


LABELLED = dict(detection=detection, proposals=proposals, regions=regions)
