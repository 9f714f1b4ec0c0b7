"""COCO, LVIS, Objects365 and VOC 2007 in their official layouts.

File names, keys, category ids and names are the originals'; pictures are a
few small ones, and annotations are exact.
"""

import json
from itertools import cycle, islice

import numpy as np
from mmdet.datasets import (
    CocoDataset,
    CocoPanopticDataset,
    LVISV1Dataset,
    Objects365V1Dataset,
    VOCDataset,
)
from official_scenes import save_list, scenes
from PIL import Image

#: CLIM's mosaics take 29 pictures a round.
TRAIN, VAL = 30, 3
#: Ids that COCO skips among things; stuff of the panoptic files.
GAPS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
STUFF = (
    *(92, 93, 95, 100, 107, 109, 112, 118, 119, 122, 125, 128, 130, 133, 138),
    *(141, 144, 145, 147, 148, 149, 151, 154, 155, 156, 159, 161, 166, 168),
    *(171, 175, 176, 177, 178, 180, 181),
    *range(184, 201),
)
THINGS = [i for i in range(1, 91) if i not in GAPS]
#: A base class, a novel one and one that OV-COCO leaves out, and so on.
SHOWN = ('person', 'airplane', 'traffic light', 'bicycle', 'dog', 'car', 'cup')
LVIS_RARE = 337


def things():
    """COCO's 80 categories, in the order of its files."""
    names = CocoDataset.METAINFO['classes']
    return [
        dict(supercategory='thing', id=i, name=n)
        for i, n in zip(THINGS, names, strict=True)
    ]


def panoptic_categories():
    """COCO panoptic's 133 categories, things first."""
    names = CocoPanopticDataset.METAINFO['classes']
    return [
        dict(
            supercategory='any',
            color=[n % 256, 7 * n % 256, 31 * n % 256],
            isthing=int(i < 91),
            id=i,
            name=name,
        )
        for n, (i, name) in enumerate(
            zip((*THINGS, *STUFF), names, strict=True)
        )
    ]


def polygon(x, y, w, h):
    return [float(v) for v in (x, y, x + w, y, x + w, y + h, x, y + h)]


def image_entry(scene, file_name=None):
    height, width = scene.size
    name = file_name or f'{scene.number:012d}.jpg'
    return dict(
        license=1,
        file_name=name,
        coco_url=f'http://images.cocodataset.org/val2017/{name}',
        height=height,
        width=width,
        date_captured='2013-11-14 17:02:52',
        id=scene.number,
    )


def objects(pictures, ids):
    """An annotation for every rectangle; categories take turns."""
    turns, found = cycle(ids), []
    for scene in pictures:
        for x, y, w, h in scene.boxes:
            found.append(
                dict(
                    segmentation=[polygon(x, y, w, h)],
                    area=float(w * h),
                    iscrowd=0,
                    image_id=scene.number,
                    bbox=[float(v) for v in (x, y, w, h)],
                    category_id=next(turns),
                    id=len(found) + 1,
                )
            )
    return found


def crowd(scene, category, number):
    """A crowd: uncompressed run lengths, as COCO writes it."""
    x, y, w, h = scene.boxes[0]
    flat = scene.mask(0).flatten(order='F')
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, len(flat)]).tolist()
    return dict(
        segmentation=dict(counts=counts, size=list(scene.size)),
        area=w * h,
        iscrowd=1,
        image_id=scene.number,
        bbox=[x, y, w, h],
        category_id=category,
        id=number,
    )


def write_json(path, **content):
    path.parent.mkdir(parents=True, exist_ok=True)
    info = dict(description='made for tests', version='1.0', year=2017)
    path.write_text(json.dumps(dict(info=info, licenses=[], **content)))


def write_coco(root):
    """``data/coco``: pictures, instances, panoptic, captions, proposals."""
    ids = {c['name']: c['id'] for c in things()}
    shown = [ids[name] for name in SHOWN]
    parts = dict(train2017=scenes(TRAIN), val2017=scenes(VAL, first=101))
    for part, pictures in parts.items():
        for scene in pictures:
            scene.save(root / part / f'{scene.number:012d}.jpg')
        # the last picture has no object, as a hundredth of COCO's
        notes = objects(pictures[:-1], shown)
        notes.append(crowd(pictures[0], shown[0], len(notes) + 1))
        write_json(
            root / f'annotations/instances_{part}.json',
            images=[image_entry(s) for s in pictures],
            annotations=notes,
            categories=things(),
        )
        write_panoptic(root / 'annotations', part, pictures)
    write_train_only(root / 'annotations', parts['train2017'])


def write_train_only(folder, pictures):
    """Captions, and the files that users make: proposals and nouns."""
    images = [image_entry(s) for s in pictures]
    captions = [
        dict(image_id=s.number, id=s.number, caption=f'A picture of {n}.')
        for s, n in zip(pictures, cycle(SHOWN))
    ]
    write_json(
        folder / 'captions_train2017.json', images=images, annotations=captions
    )
    boxes = objects(pictures, [1])
    write_json(
        folder / 'proposals_train2017.json',
        images=images,
        annotations=[dict(b, score=0.9) for b in boxes],
        categories=[dict(id=1, name='object')],
    )
    nouns = [dict(id=i, name=n) for i, n in enumerate(SHOWN, 1)]
    write_json(
        folder / 'pseudo_nouns_train2017.json',
        images=images,
        annotations=objects(pictures, [n['id'] for n in nouns]),
        categories=nouns,
    )


def write_panoptic(folder, part, pictures):
    """PNG ids in three bytes; a thing, a stuff and the ground as stuff."""
    ids = {c['name']: c['id'] for c in panoptic_categories()}
    kinds = [ids[n] for n in ('person', 'cat', 'sky-other-merged')]
    ground, annotations = ids['grass-merged'], []
    for scene in pictures:
        first = scene.number * 1000
        numbers = scene.labels((1, 2, 3), 4).astype(np.int64) + first
        colours = [numbers // 256**i % 256 for i in range(3)]
        name = f'{scene.number:012d}.png'
        path = folder / f'panoptic_{part}' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.stack(colours, -1).astype(np.uint8)).save(path)
        height, width = scene.size
        boxes = [*scene.boxes, (0, 0, width, height)]
        segments = [
            dict(
                id=first + index + 1,
                category_id=category,
                iscrowd=0,
                bbox=list(box),
                area=int((numbers == first + index + 1).sum()),
            )
            for index, (box, category) in enumerate(
                zip(boxes, (*kinds, ground))
            )
        ]
        annotations.append(
            dict(segments_info=segments, file_name=name, image_id=scene.number)
        )
    write_json(
        folder / f'panoptic_{part}.json',
        images=[image_entry(s) for s in pictures],
        annotations=annotations,
        categories=panoptic_categories(),
    )


def lvis_categories():
    """The 1203 names; which are rare is made up, how many is not."""
    names = LVISV1Dataset.METAINFO['classes']
    return [
        dict(
            id=i,
            name=name,
            synset=f'{name}.n.01',
            synonyms=[name],
            frequency='fcr'[i % 3] if i <= 3 * LVIS_RARE else 'c',
            image_count=10,
            instance_count=20,
            **{'def': 'a thing'},
        )
        for i, name in enumerate(names, 1)
    ]


def write_lvis(root):
    """``data/lvis_v1``: pictures by ``coco_url``, federated labels."""
    categories = lvis_categories()
    shown = list(range(1, 8))  # rare, common and frequent ones
    for part, count, first in (('train', 6, 1), ('val', VAL, 101)):
        pictures, images = scenes(count, first), []
        for index, scene in enumerate(pictures):
            # some of LVIS's validation pictures lie in train2017
            folder = 'train2017' if part == 'train' or not index else 'val2017'
            name = f'{folder}/{scene.number:012d}.jpg'
            scene.save(root / name)
            entry = image_entry(scene)
            del entry['file_name']
            entry.update(
                coco_url=f'http://images.cocodataset.org/{name}',
                neg_category_ids=[9, 10],
                not_exhaustive_category_ids=[shown[index % len(shown)]],
            )
            images.append(entry)
        notes = objects(pictures, shown)
        for note in notes:
            del note['iscrowd']  # LVIS has none
        write_json(
            root / f'annotations/lvis_v1_{part}.json',
            images=images,
            annotations=notes,
            categories=categories,
        )


def write_objects365(root):
    """``data/objects365v1``: categories not in the order of their ids."""
    names = Objects365V1Dataset.METAINFO['classes']
    categories = [
        dict(supercategory='thing', id=i, name=n)
        for i, n in enumerate(names, 1)
    ]
    pictures = scenes(VAL, first=201)
    names = {s.number: f'obj365_val_{s.number:012d}.jpg' for s in pictures}
    for scene in pictures:
        scene.save(root / 'val' / names[scene.number])
    write_json(
        root / 'annotations/objects365_val.json',
        images=[image_entry(s, names[s.number]) for s in pictures],
        annotations=objects(pictures, [1, 2, 365]),
        categories=[*categories[200:], *categories[:200]],
    )


OBJECT = (
    '<object><name>{}</name><pose>Left</pose><truncated>1</truncated>'
    '<difficult>{}</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin>'
    '<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>'
)


def write_voc2007(root):
    """``data/VOCdevkit/VOC2007``, the test part."""
    names = VOCDataset.METAINFO['classes']
    kinds, pictures = cycle(names), scenes(VAL, first=301)
    for scene in pictures:
        stem = f'{scene.number:06d}'
        scene.save(root / 'JPEGImages' / f'{stem}.jpg')
        height, width = scene.size
        things = [
            OBJECT.format(n, int(i == 0), x + 1, y + 1, x + w, y + h)
            for i, ((x, y, w, h), n) in enumerate(
                zip(scene.boxes, islice(kinds, len(scene.boxes)))
            )
        ]
        path = root / 'Annotations' / f'{stem}.xml'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f'<annotation><folder>VOC2007</folder><filename>{stem}.jpg'
            f'</filename><size><width>{width}</width><height>{height}'
            '</height><depth>3</depth></size><segmented>0</segmented>'
            f'{"".join(things)}</annotation>'
        )
    stems = [f'{s.number:06d}' for s in pictures]
    save_list(root / 'ImageSets/Main/test.txt', stems)


def write_detection(data):
    """All of them below ``data``."""
    write_coco(data / 'coco')
    write_lvis(data / 'lvis_v1')
    write_objects365(data / 'objects365v1')
    write_voc2007(data / 'VOCdevkit' / 'VOC2007')
