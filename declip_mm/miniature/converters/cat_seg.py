"""The miniature world in the layouts of COCO-Stuff and ADE20K."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .pictures import write_pictures

IGNORE = 255


def write_layouts(
    world: Path,
    out: Path,
    classes: Sequence[str],
    base: Sequence[str],
    all_classes: Sequence[str],
    tests: Sequence[str],
) -> Path:
    """Write training scenes like COCO-Stuff and test scenes like ADE20K.

    Pictures are links. Training labels are positions in ``base``; a novel
    name is as unlabelled as the background. Test labels are positions in
    ``classes`` plus one, 0 is unlabelled.

    Args:
        world: Folder of the miniature world.
        out: ``coco_stuff164k`` and a folder per test split appear in it, each
            under its name only when complete.
        classes: Names of the test.
        base: Names of the training.
        all_classes: Names in the order of the world's labels.
        tests: Test splits of the world.
    """
    train = np.full(256, IGNORE, np.uint8)
    test = np.zeros(256, np.uint8)
    for label, name in enumerate(all_classes):
        if name in base:
            train[label] = list(base).index(name)
        if name in classes:
            test[label] = list(classes).index(name) + 1
    stuff = ('train2017', '_labelTrainIds', train)
    jobs = {'train': (out / 'coco_stuff164k', *stuff)}
    for split in tests:
        root = out / split / 'ADEChallengeData2016'
        jobs[split] = (root, 'validation', '', test)
    for split, (root, folder, suffix, table) in jobs.items():
        source, mark = world / split, root / 'made_of.txt'
        stamp = (source / 'fingerprint.json').read_text() + str(table.tolist())
        if mark.is_file() and mark.read_text() == stamp:
            continue
        shutil.rmtree(root, ignore_errors=True)
        write_pictures(
            source,
            root,
            f'images/{folder}/{{}}.jpg',
            f'annotations/{folder}/{{}}{suffix}.png',
            table,
        )
        mark.write_text(stamp)
    return out
