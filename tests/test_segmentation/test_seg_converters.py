"""Official files in, the maps of the benchmarks out."""

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image
from tool_modules import load_tool

import declip_mm.segmentation  # noqa: F401  (registers the data sets)
from declip_mm.evaluation.label_files import read_labels

coco_object = load_tool('dataset_converters/coco_object.py')
pas20b = load_tool('dataset_converters/pas20b.py')
context459 = load_tool('dataset_converters/pascal_context459.py')
ade847 = load_tool('dataset_converters/ade847.py')


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(path)


def test_coco_object_from_both_kinds_of_maps(tmp_path):
    folder = tmp_path / 'annotations' / 'val2017'
    # person, toothbrush, a stuff class, unlabelled
    save(folder / '1.png', [[0, 89, 100, 255]])
    coco_object.main([str(tmp_path)])
    out = folder / '1_instanceTrainIds.png'
    assert read_labels(str(out)).tolist() == [[1, 80, 0, 0]]
    save(folder / '1_labelTrainIds.png', [[0, 79, 80, 255]])
    coco_object.main([str(tmp_path)])
    assert read_labels(str(out)).tolist() == [[1, 80, 0, 0]]
    with pytest.raises(SystemExit, match='stuffthingmaps'):
        coco_object.main([str(tmp_path), '--split', 'train2017'])


def test_gaps_in_coco_ids():
    table = coco_object.official_table()
    things = [i for i in range(90) if table[i]]
    assert len(things) == 80 and 11 not in things
    assert table[12] == 12  # id 13 stop sign is the twelfth thing


def test_pas20b(tmp_path):
    save(tmp_path / 'SegmentationClass' / 'a.png', [[0, 1, 20, 255]])
    pas20b.main([str(tmp_path)])
    out = tmp_path / 'SegmentationClassPAS20b' / 'a.png'
    assert read_labels(str(out)).tolist() == [[20, 0, 19, 255]]
    with pytest.raises(SystemExit, match='VOC2012'):
        pas20b.main([str(tmp_path / 'elsewhere')])


def test_context459_end_to_end(tmp_path):
    savemat = pytest.importorskip('scipy.io').savemat
    voc, source, out = (tmp_path / n for n in ('VOC2010', 'pc', 'out'))
    save(voc / 'JPEGImages' / 'a.jpg', np.zeros((1, 5, 3)))
    (voc / 'ImageSets' / 'Main').mkdir(parents=True)
    (voc / 'ImageSets' / 'Main' / 'val.txt').write_text('a\n')
    (source / 'trainval').mkdir(parents=True)
    lines = [f'{i}: thing{i}' for i in range(1, 460)]
    (source / 'labels.txt').write_text('\n'.join(lines))
    found = np.array([[1, 256, 257, 459, 0]], np.uint16)
    savemat(str(source / 'trainval' / 'a.mat'), dict(LabelMap=found))
    context459.main([str(voc), str(source), '--out', str(out)])
    data = DATASETS.build(
        dict(
            type='OVContext459Dataset',
            data_root=str(out),
            data_prefix=dict(
                img_path='images/validation',
                seg_map_path='annotations/validation',
            ),
            pipeline=[dict(type='mmseg.LoadOVAnnotations')],
        )
    )
    assert data[0]['gt_seg_map'].tolist() == [[0, 255, 256, 458, 65535]]
    assert data.metainfo['classes'][458] == 'thing459'


def test_label_names_need_all_numbers(tmp_path):
    path = tmp_path / 'labels.txt'
    path.write_text('1: a\n3: b\n')
    with pytest.raises(ValueError, match='without gaps'):
        context459.read_label_names(path)


def test_ade847_end_to_end(tmp_path):
    folder, out = tmp_path / 'images' / 'ADE' / 'validation', tmp_path / 'out'
    small = folder / 'ADE_val_00000001.jpg'
    save(small, np.zeros((1, 4, 3)))
    # wall 2978, cat 430, videocassette recorder 3145, and no class at all
    ids = np.array([[2978, 430, 3145, 0]])
    colours = np.stack([ids // 256 * 10, ids % 256, ids * 0 + 7], axis=-1)
    save(folder / 'ADE_val_00000001_seg.png', colours)
    save(folder / 'ADE_val_00000002.jpg', np.zeros((600, 1200, 3)))
    wide = np.zeros((600, 1200, 3))
    wide[300:] = colours[0, 1]
    save(folder / 'ADE_val_00000002_seg.png', wide)
    ade847.main([str(tmp_path), '--out', str(out)])
    maps = out / 'annotations' / 'validation'
    first = read_labels(str(maps / 'ADE_val_00000001.png'))
    assert first.tolist() == [[0, 500, 803, 65535]]
    second = read_labels(str(maps / 'ADE_val_00000002.png'))
    assert second.shape == (512, 1024)
    assert (second[256:] == 500).all() and (second[:256] == 65535).all()
    image = Image.open(out / 'images/validation/ADE_val_00000002.jpg')
    assert image.size == (1024, 512)
    with pytest.raises(SystemExit, match='full release'):
        ade847.main([str(tmp_path / 'elsewhere')])
