"""The segmentation sets in their official layouts.

Maps of sets that are converted before use are what mmseg's converters write
(COCO-Stuff, Cityscapes, Pascal Context) or the raw release, for our own
converters (A-847, PC-459).
"""

import numpy as np
from official_scenes import save_labels, save_list, scenes

from declip_mm.segmentation.datasets.ade847 import read_ade847

COUNT = 2
CONTEXT = 459


def write_voc2012(root):
    """``VOC2012``: labels 0 to 20 in a palette, 255 at the borders."""
    stems = []
    for scene in scenes(COUNT, first=401):
        stems.append(f'2007_{scene.number:06d}')
        scene.save(root / 'JPEGImages' / f'{stems[-1]}.jpg')
        labels = scene.labels((7, 15, 20), 0)
        labels[:2] = 255
        path = root / 'SegmentationClass' / f'{stems[-1]}.png'
        save_labels(path, labels, palette=True)
    save_list(root / 'ImageSets/Segmentation/val.txt', stems)


def write_context(voc, release):
    """``VOC2010`` with mmseg's maps of 59 classes; the 459 as released."""
    from scipy.io import savemat

    stems = []
    (release / 'trainval').mkdir(parents=True)
    for scene in scenes(COUNT, first=501):
        stems.append(f'2008_{scene.number:06d}')
        scene.save(voc / 'JPEGImages' / f'{stems[-1]}.jpg')
        path = voc / 'SegmentationClassContext' / f'{stems[-1]}.png'
        save_labels(path, scene.labels((1, 2, 59), 0))
        wide = scene.labels((1, 300, CONTEXT), 0)
        target = release / 'trainval' / f'{stems[-1]}.mat'
        savemat(str(target), dict(LabelMap=wide))
    save_list(voc / 'ImageSets/SegmentationContext/val.txt', stems)
    names = [f'{i}: kind {i}' for i in range(1, CONTEXT + 1)]
    save_list(release / 'labels.txt', names)


def write_coco_stuff(root):
    """``coco_stuff164k``: mmseg's maps, things 0 to 79, stuff 80 to 170."""
    for part, first in (('train2017', 601), ('val2017', 651)):
        for scene in scenes(COUNT, first):
            stem = f'{scene.number:012d}'
            scene.save(root / 'images' / part / f'{stem}.jpg')
            path = root / 'annotations' / part / f'{stem}_labelTrainIds.png'
            save_labels(path, scene.labels((0, 79, 170), 255))


def write_cityscapes(root):
    """``cityscapes``: a folder a city, mmseg's maps of 19 classes."""
    for scene in scenes(COUNT, first=701):
        stem = f'val/frankfurt/frankfurt_000000_{scene.number:06d}'
        scene.save(root / 'leftImg8bit' / f'{stem}_leftImg8bit.png')
        path = root / 'gtFine' / f'{stem}_gtFine_labelTrainIds.png'
        save_labels(path, scene.labels((0, 13, 18), 255))


def write_ade(root):
    """``ADEChallengeData2016``: 0 is unlabelled, 1 to 150."""
    for scene in scenes(COUNT, first=801):
        stem = f'ADE_val_{scene.number:08d}'
        scene.save(root / 'images/validation' / f'{stem}.jpg')
        path = root / 'annotations/validation' / f'{stem}.png'
        save_labels(path, scene.labels((1, 75, 150), 0))


def write_ade_full(root):
    """``ADE20K_2021_17_01``: class ids in red and green of ``_seg.png``."""
    ids = [read_ade847()[label][0] for label in (0, 400, 846)]
    for scene in scenes(COUNT, first=901):
        folder = root / 'images/ADE/validation/urban/street'
        stem = f'ADE_val_{scene.number:08d}'
        scene.save(folder / f'{stem}.jpg')
        found = scene.labels(ids, 0).astype(np.int64)
        instances = scene.labels((1, 2, 3), 0)
        colours = (found // 256 * 10, found % 256, instances)
        save_labels(folder / f'{stem}_seg.png', np.stack(colours, axis=-1))


def write_segmentation(data):
    """All of them below ``data``."""
    devkit = data / 'VOCdevkit'
    write_voc2012(devkit / 'VOC2012')
    write_context(devkit / 'VOC2010', data / 'pascal-context')
    write_coco_stuff(data / 'coco_stuff164k')
    write_cityscapes(data / 'cityscapes')
    write_ade(data / 'ade/ADEChallengeData2016')
    write_ade_full(data / 'ADE20K_2021_17_01')
