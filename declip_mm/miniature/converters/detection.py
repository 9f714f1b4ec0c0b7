"""The miniature world as a detection benchmark, in COCO's and LVIS's layout.

    python tools/dataset_converters/miniature_detection.py --out data/miniature

Writes ``detection/coco/<split>.json`` and ``detection/lvis/<split>.json``
beside the world's pictures. Novel (no annotation in training) is every fourth
of the names that the tiny CLIP knows, in alphabetical order; all other known
names are base. In the LVIS files novel is ``r``, base alternates between ``c``
and ``f``. Names that the tiny CLIP never saw are left out.
"""

import argparse
import json
import random
from pathlib import Path

from ...apis import command
from ..world import build_world

SPLITS = ('train', 'tune_known', 'val_known', 'val_heldout')
#: Every how many-th known name is novel, and the first of them.
EVERY, FIRST = 4, 1
#: Names a picture is checked for, though it has none of them (LVIS).
NEGATIVES = 12


def is_novel(known: list[str]) -> dict[str, bool]:
    """Name -> novel, in the order of the names."""
    ordered = sorted(known)
    return {n: i % EVERY == FIRST for i, n in enumerate(ordered)}


def coco_layout(content: dict) -> dict:
    """A split of the world, its categories marked ``novel``."""
    known = [c for c in content['categories'] if not c['unseen']]
    novel = is_novel([c['name'] for c in known])
    ids = {c['id'] for c in known}
    categories = [
        dict(id=c['id'], name=c['name'], novel=novel[c['name']]) for c in known
    ]
    notes = [a for a in content['annotations'] if a['category_id'] in ids]
    return dict(
        info=content['info'],
        images=content['images'],
        categories=categories,
        annotations=notes,
    )


def lvis_layout(coco: dict) -> dict:
    """The same in LVIS's layout: frequencies and federated labels.

    Pictures of the world are labelled in full; as in LVIS, the file vouches
    for the absence of some names only, drawn by the picture's id.
    """
    present: dict = {image['id']: set() for image in coco['images']}
    counts = {c['id']: [set(), 0] for c in coco['categories']}
    for note in coco['annotations']:
        present[note['image_id']].add(note['category_id'])
        counts[note['category_id']][0].add(note['image_id'])
        counts[note['category_id']][1] += 1
    base = [c['id'] for c in coco['categories'] if not c['novel']]
    frequency = {i: 'fc'[n % 2] for n, i in enumerate(base)}
    split, images = coco['info']['split'], []
    for image in coco['images']:
        absent = sorted(set(counts) - present[image['id']])
        drawn = random.Random(image['id']).sample(absent, NEGATIVES)
        name = image['file_name']
        images.append(
            dict(
                id=image['id'],
                height=image['height'],
                width=image['width'],
                coco_url=f'http://miniature.invalid/{split}/images/{name}',
                neg_category_ids=sorted(drawn),
                not_exhaustive_category_ids=[],
            )
        )
    categories = [
        dict(
            id=c['id'],
            name=c['name'],
            frequency=frequency.get(c['id'], 'r'),
            image_count=len(counts[c['id']][0]),
            instance_count=counts[c['id']][1],
        )
        for c in coco['categories']
    ]
    return dict(coco, images=images, categories=categories)


def write_detection_world(world: Path) -> None:
    """Write both layouts of every split that is there, if need be."""
    from ...checkpoint import atomically

    for split in SPLITS:
        source = world / split / 'annotations.json'
        if not source.is_file():
            continue
        coco = coco_layout(json.loads(source.read_text('utf-8')))
        for layout, content in (('coco', coco), ('lvis', lvis_layout(coco))):
            path = world / 'detection' / layout / f'{split}.json'
            with atomically(path) as part:
                part.write_text(json.dumps(content), 'utf-8')


@command(tool='miniature_detection.py')
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--out',
        type=Path,
        help='folder of the world, built if need be (default: the cache)',
    )
    args = parser.parse_args()
    world = build_world(args.out)
    write_detection_world(world)
    for layout in ('coco', 'lvis'):
        for split in SPLITS:
            path = world / 'detection' / layout / f'{split}.json'
            content = json.loads(path.read_text('utf-8'))
            print(
                f'{path}: {len(content["images"])} images, '
                f'{len(content["annotations"])} objects'
            )


if __name__ == '__main__':
    main()
