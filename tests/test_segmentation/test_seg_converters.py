"""Official files in, the maps of the benchmarks out."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import mmseg
import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image
from tool_modules import load_tool

import declip_mm.segmentation  # noqa: F401  (registers the data sets)
from declip_mm.datasets.class_maps import read_labels

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
    # what mmseg's converter wrote before it was stopped is not all there is
    save(folder / '2.png', [[12, 90, 181]])
    save(folder / '1_labelTrainIds.png', [[5, 5, 5, 5]])
    coco_object.main([str(tmp_path)])
    assert read_labels(str(out)).tolist() == [[1, 80, 0, 0]]
    coco_object.main([str(tmp_path), '--stuff'])
    stuff = [folder / f'{n}_labelTrainIds.png' for n in (1, 2)]
    assert [read_labels(str(path)).tolist() for path in stuff] == [
        [[0, 79, 89, 255]],
        [[11, 255, 170]],
    ]
    coco_object.main([str(tmp_path)])
    assert read_labels(str(out)).tolist() == [[1, 80, 0, 0]]
    with pytest.raises(SystemExit, match='stuffthingmaps'):
        coco_object.main([str(tmp_path), '--split', 'train2017'])


def test_coco_stuff_as_mmseg_converts_it():
    """Their converter takes nothing but the whole set."""
    path = Path(mmseg.__file__).parent / '.mim/tools/dataset_converters'
    spec = spec_from_file_location('stuff', path / 'coco_stuff164k.py')
    theirs = module_from_spec(spec)
    spec.loader.exec_module(theirs)
    wanted = np.full(256, 255)
    for old, new in theirs.clsID_to_trID.items():
        wanted[old] = new
    assert (coco_object.stuff_table() == wanted).all()


def test_one_bad_map_costs_no_other(tmp_path, capsys):
    folder = tmp_path / 'annotations' / 'val2017'
    for name in 'ac':
        save(folder / f'{name}.png', [[0, 1]])
    (folder / 'b.png').write_bytes(b'no picture')
    save(folder / 'd.png', [[[0, 1, 2], [9, 9, 3]]])
    with pytest.raises(SystemExit) as end:
        coco_object.main([str(tmp_path)])
    said = str(end.value)
    assert '2 of 4 could not be converted' in said
    assert 'b.png is no picture' in said and 'd.png is no class map' in said
    done = sorted(p.name for p in folder.glob('*_instanceTrainIds.png'))
    assert [name[0] for name in done] == ['a', 'c']


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


def test_context459_names_what_is_missing(tmp_path):
    pytest.importorskip('scipy.io')
    voc, source, out = (tmp_path / n for n in ('VOC2010', 'pc', 'out'))
    arguments = [str(voc), str(source), '--out', str(out)]
    with pytest.raises(SystemExit, match='labels.txt does not exist'):
        context459.main(arguments)
    (source / 'trainval').mkdir(parents=True)
    (source / 'labels.txt').write_text('\ufeff1: a\n2: b\n')
    with pytest.raises(SystemExit, match='give the list of pictures'):
        context459.main(arguments)
    for name in 'bc':
        save(voc / 'JPEGImages' / f'{name}.jpg', np.zeros((1, 5, 3)))
    (source / 'trainval' / 'c.mat').write_bytes(b'text')
    (voc / 'ImageSets' / 'Main').mkdir(parents=True)
    (voc / 'ImageSets' / 'Main' / 'val.txt').write_bytes(b'a\r\nb\r\nc\r\n')
    with pytest.raises(SystemExit) as end:
        context459.main(arguments)
    said = str(end.value)
    assert '3 of 3 could not be converted' in said
    for problem in ('a.jpg', 'b.mat', 'c.mat is no .mat file'):
        assert problem in said


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
    (folder / 'ADE_val_00000002_seg.png').unlink()
    with pytest.raises(SystemExit, match='1 of 2 .*ADE_val_00000002_seg.png'):
        ade847.main([str(tmp_path), '--out', str(out)])
    with pytest.raises(SystemExit, match='full release'):
        ade847.main([str(tmp_path / 'elsewhere')])
