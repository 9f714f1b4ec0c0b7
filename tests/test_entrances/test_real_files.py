"""The same commands on real files of COCO, where they lie beside the clone.

26 pictures of train2017 and 27 of val2017 with official panoptic annotation,
and the official instances of the 26. There are no instances of the 27: F-ViT
is trained and measured on the 26. COCO-Object's maps are made from the
panoptic ones, in the layout of COCO-Stuff's release.
"""

import json

import numpy as np
import pytest
from command_lines import ROOT
from entrance_runs import Desk, figures
from entrance_table import changes
from PIL import Image

REAL = ROOT.parent / 'shared' / 'real' / 'coco'
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not REAL.is_dir(), reason=f'no real COCO files in {REAL}'
    ),
]
TRAIN = 'annotations/instances_train2017.json'
PRETUNE = 'declip/pretune_dinov2.py'
REGIONS = 'region_cls/declip_eva02-b16_coco-panoptic.py'
F_VIT = 'f_vit/f-vit_eva02-b16_original_ov-coco.py'


def boxes_of(part):
    """Options that measure on the 26 pictures."""
    return [
        f'{part}_dataloader.dataset.ann_file={TRAIN}',
        f'{part}_dataloader.dataset.data_prefix.img=train2017/',
        f'{part}_evaluator.ann_file=data/coco/{TRAIN}',
    ]


@pytest.fixture(scope='module')
def real(entrances, tmp_path_factory):
    """A folder whose ``data/coco`` are the real files, the hub as before."""
    root = tmp_path_factory.mktemp('real')
    desk = Desk(root, entrances.desk.clips, entrances.desk.cache)
    (root / 'data').mkdir()
    (root / 'data' / 'coco').symlink_to(REAL)
    write_stuff_maps(root / 'data' / 'coco_stuff164k')
    yield desk
    desk.close()


def panoptic(part):
    return json.loads((REAL / f'annotations/panoptic_{part}.json').read_text())


def write_stuff_maps(root):
    """Category id minus one, 255 where COCO-Stuff has no such category."""
    maps = root / 'annotations' / 'val2017'
    maps.mkdir(parents=True)
    (root / 'images').mkdir()
    (root / 'images' / 'val2017').symlink_to(REAL / 'val2017')
    for entry in panoptic('val2017')['annotations']:
        path = REAL / 'annotations/panoptic_val2017' / entry['file_name']
        colours = np.asarray(Image.open(path)).astype(np.int64)
        numbers = colours @ (1, 256, 256**2)
        labels = np.full(numbers.shape, 255, np.uint8)
        for segment in entry['segments_info']:
            if segment['category_id'] <= 182:
                at = numbers == segment['id']
                labels[at] = segment['category_id'] - 1
        Image.fromarray(labels).save(maps / entry['file_name'])


def run(desk, scope, tool, name, *words, more=()):
    found = desk.run(
        scope,
        *(f'tools/{tool}.py', f'configs/{name}', *words),
        *('--cfg-options', *changes(name, tool), *more),
    )
    assert not found.problem, f'{found.problem}\n{found.log[-6000:]}'
    return found


@pytest.fixture(scope='module')
def pretuned(real):
    """All 26 pictures once; validated on 27 with 133 names."""
    more = ['train_dataloader.dataset.indices=26']
    return run(real, 'mmengine', 'train', PRETUNE, more=more)


def test_pretuning_sees_every_picture(pretuned):
    assert 'Epoch(train) [1][13/13]' in pretuned.log
    assert ' damaged ' not in pretuned.log


def test_regions_are_those_of_the_official_file(real, pretuned):
    checkpoint = 'work_dirs/pretune_dinov2/epoch_1.pth'
    run(real, 'mmengine', 'test', REGIONS, checkpoint)
    found = figures(real.root / 'work_dirs/declip_eva02-b16_coco-panoptic')
    wanted = [
        segment
        for entry in panoptic('val2017')['annotations']
        for segment in entry['segments_info']
        if not segment['iscrowd']
        and 8**2 <= segment['bbox'][2] * segment['bbox'][3] <= 1024**2
    ]
    assert found['region/num_regions'] == len(wanted)


def test_ov_coco_trains_and_is_measured(real):
    more = [*boxes_of('val'), 'train_dataloader.dataset.indices=4']
    run(real, 'mmdet', 'train', F_VIT, more=more)
    checkpoint = 'work_dirs/f-vit_eva02-b16_original_ov-coco/epoch_1.pth'
    shown = ('--show-dir', 'shown')
    run(
        *(real, 'mmdet', 'test', F_VIT, checkpoint, *shown),
        more=boxes_of('test'),
    )
    folder = real.root / 'work_dirs/f-vit_eva02-b16_original_ov-coco'
    found = figures(folder)
    assert {'coco/base_ap50', 'coco/novel_ap50'} <= set(found)
    content = json.loads((REAL / TRAIN).read_text())
    from declip_mm.models.text.benchmarks import OV_COCO_CLASSES

    ids = {
        c['id'] for c in content['categories'] if c['name'] in OV_COCO_CLASSES
    }
    pictures = {
        a['image_id']
        for a in content['annotations']
        if a['category_id'] in ids and not a['iscrowd']
    }
    painted = list((real.root / 'shown').rglob('*.jpg'))
    assert len(painted) == len(pictures)


def test_coco_object_through_its_converter(real, pretuned):
    converter = 'tools/dataset_converters/coco_object.py'
    found = real.run('mmseg', converter, 'data/coco_stuff164k')
    assert not found.problem, found.log
    checkpoint = 'work_dirs/pretune_dinov2/epoch_1.pth'
    run(real, 'mmseg', 'test', 'dense_seg/coco_object.py', checkpoint)
    assert 'mIoU' in figures(real.root / 'work_dirs/coco_object')
