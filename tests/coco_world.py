"""COCO files small enough to compute their regions by hand."""

import copy

import numpy as np
from pycocotools import mask as coco_mask

HEIGHT, WIDTH = 40, 80


def rectangle(x0, y0, x1, y1):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[y0:y1, x0:x1] = 1
    return mask


def compressed(mask):
    code = coco_mask.encode(np.asfortranarray(mask))
    return dict(size=code['size'], counts=code['counts'].decode())


def uncompressed(mask):
    flat = mask.flatten(order='F')
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, len(flat)]).tolist()
    return dict(
        size=list(mask.shape), counts=counts if not flat[0] else [0, *counts]
    )


def annotation(number, box=(10, 10, 20, 20), segmentation=None, **extra):
    x0, y0, x1, y1 = box
    if segmentation is None:
        segmentation = compressed(rectangle(*box))
    values = dict(
        id=number,
        image_id=1,
        category_id=3,
        bbox=[x0, y0, x1 - x0, y1 - y0],
        segmentation=segmentation,
        iscrowd=0,
    )
    return dict(values, **extra)


CATEGORIES = [
    dict(id=7, name='sky', isthing=0),
    dict(id=3, name='cat', isthing=1),
]


def content(*annotations):
    images = [
        dict(id=n, file_name=f'{n}.png', height=HEIGHT, width=WIDTH)
        for n in (1, 2)
    ]
    return dict(
        images=images,
        annotations=list(annotations),
        categories=copy.deepcopy(CATEGORIES),
    )
