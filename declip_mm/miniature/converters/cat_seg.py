"""The miniature world in the layouts of COCO-Stuff and ADE20K."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

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
    jobs = [
        (
            world / 'train',
            out / 'coco_stuff164k',
            'train2017',
            '_labelTrainIds.png',
            train,
        )
    ]
    for split in tests:
        target = out / split / 'ADEChallengeData2016'
        jobs.append((world / split, target, 'validation', '.png', test))
    for source, target, folder, suffix, table in jobs:
        _write(source, target, folder, suffix, table)
    return out


def _write(
    source: Path, target: Path, folder: str, suffix: str, table: np.ndarray
) -> None:
    stamp = (source / 'fingerprint.json').read_text() + str(table.tolist())
    mark = target / 'made_of.txt'
    if mark.is_file() and mark.read_text() == stamp:
        return
    shutil.rmtree(target, ignore_errors=True)
    images = target / 'images' / folder
    labels = target / 'annotations' / folder
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    for picture in sorted((source / 'images').iterdir()):
        os.symlink(picture.resolve(), images / picture.name)
        semantic = source / 'semantic' / f'{picture.stem}.png'
        found = table[np.asarray(Image.open(semantic))]
        Image.fromarray(found).save(labels / f'{picture.stem}{suffix}')
    mark.write_text(stamp)
