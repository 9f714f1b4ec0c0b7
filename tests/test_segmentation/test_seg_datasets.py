"""Data sets with free names and labels of 16 bits."""

from collections import Counter

import numpy as np
import pytest
from mmseg.registry import DATASETS, TRANSFORMS
from PIL import Image

import declip_mm.segmentation  # noqa: F401  (registers them)
from declip_mm.datasets.class_maps import read_labels
from declip_mm.evaluation.label_files import (
    no_class_label,
    write_labels,
)
from declip_mm.segmentation.datasets.ade847 import read_ade847

SETS = dict(
    OVVOC21Dataset=21,
    OVVOC20Dataset=20,
    OVPAS20bDataset=21,
    OVContext60Dataset=60,
    OVContext59Dataset=59,
    OVCOCOObjectDataset=81,
    OVCOCOStuffDataset=171,
    OVCityscapesDataset=19,
    OVADE20KDataset=150,
    OVADE847Dataset=847,
)
WIDE = np.array([[0, 1, 255], [256, 847, 65535]], np.uint16)


@pytest.fixture
def folder(tmp_path):
    """One picture and a map with wide labels."""
    for name in ('images', 'maps'):
        (tmp_path / name).mkdir()
    picture = np.zeros((2, 3, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / 'images' / 'a.jpg')
    write_labels(str(tmp_path / 'maps' / 'a.png'), WIDE)
    names = '\n'.join(f'thing {i}' for i in range(848))
    (tmp_path / 'classes.txt').write_text(names)
    return tmp_path


def build(kind, folder, **options):
    cfg = dict(
        type=kind,
        data_root=str(folder),
        data_prefix=dict(img_path='images', seg_map_path='maps'),
        pipeline=[dict(type='mmseg.LoadOVAnnotations')],
    )
    return DATASETS.build({**cfg, **options})


@pytest.mark.parametrize('kind, count', SETS.items())
def test_names_colours_and_texts_belong_together(kind, count):
    cls = DATASETS.get(kind)
    meta = cls.METAINFO
    palette = meta.get('palette', meta['classes'])
    assert len(meta['classes']) == len(palette) == count
    for texts in (meta.get('texts', {}), cls.FIELD_TEXTS):
        assert set(texts) <= set(meta['classes'])


def test_synonyms_of_a847():
    """Counts that the literature on this set reports."""
    names = DATASETS.get('OVADE847Dataset').METAINFO['classes']
    assert len(set(names)) == 847
    assert sum(', ' in name for name in names) == 217
    first = Counter(name.split(', ')[0] for name in names)
    shared = {n: c for n, c in first.items() if c > 1}
    assert len(shared) == 9 and sum(shared.values()) == 19
    assert len({class_id for class_id, _ in read_ade847()}) == 847


def test_the_background_of_pas20b_is_the_rest_of_pc59():
    texts = DATASETS.get('OVPAS20bDataset').METAINFO['texts']['background']
    assert len(texts) == 39 and 'table' not in texts and 'sky' in texts


def test_labels_beyond_255_survive_loading(folder):
    data = build('OVContext459Dataset', folder)
    assert len(data.metainfo['classes']) == 848
    assert len(data.metainfo['palette']) == 848
    assert data.metainfo['ignore_index'] == 65535
    found = data[0]['gt_seg_map']
    assert found.dtype == np.uint16 and (found == WIDE).all()


def test_zero_label_goes_and_leaves_no_hole(folder):
    data = build('OVContext459Dataset', folder, reduce_zero_label=True)
    wanted = [[65535, 0, 254], [255, 846, 65535]]
    assert data[0]['gt_seg_map'].tolist() == wanted


def test_classes_that_are_left_out_are_ignored(folder):
    write_labels(str(folder / 'maps' / 'a.png'), np.array([[0, 2, 255]] * 2))
    names = ('bird', 'background')
    data = build(
        'OVVOC21Dataset',
        folder,
        metainfo=dict(classes=names),
        texts='field',
        pipeline=[dict(type='mmseg.LoadOVAnnotations')],
    )
    assert data[0]['gt_seg_map'].tolist() == [[1, 255, 255]] * 2
    assert data.metainfo['palette'] == [[128, 128, 0], [0, 0, 0]]
    assert set(data.metainfo['texts']) == {'background'}


@pytest.mark.parametrize('how', ['list', 'file', 'classes_file'])
def test_several_texts_of_a_class_are_kept_wherever_they_stand(folder, how):
    entries = ['person; man', *(f'thing {i}' for i in range(847))]
    path = folder / 'own.txt'
    path.write_text('\n'.join(entries))
    options = dict(
        list=dict(metainfo=dict(classes=entries)),
        file=dict(metainfo=dict(classes=str(path))),
        classes_file=dict(classes_file='own.txt'),
    )[how]
    data = build(
        'OVSegDataset', folder, lazy_init=True, ignore_index=65535, **options
    )
    assert data.metainfo['classes'][:2] == ('person', 'thing 0')
    assert data.metainfo['texts'] == {'person': ('person', 'man')}


def test_field_texts_only_on_request(folder):
    plain = build('OVVOC20Dataset', folder, lazy_init=True)
    field = build('OVVOC20Dataset', folder, lazy_init=True, texts='field')
    assert 'boat' not in plain.metainfo['texts']
    assert field.metainfo['texts']['boat'] == ('ship',)
    with pytest.raises(ValueError, match="'field' and a dict"):
        build('OVVOC20Dataset', folder, lazy_init=True, texts='fields')


def test_missing_folder_is_named(folder):
    with pytest.raises(FileNotFoundError, match='nowhere'):
        build(
            'OVSegDataset',
            folder,
            data_prefix=dict(img_path='nowhere', seg_map_path='maps'),
        )
    with pytest.raises(FileNotFoundError, match="ends in '.png'"):
        build('OVSegDataset', folder, img_suffix='.png')


def test_ignore_index_must_not_be_a_class(folder):
    with pytest.raises(ValueError, match='ignore_index=255 is class'):
        build('OVADE847Dataset', folder, ignore_index=255)


@pytest.mark.parametrize(
    'high, kind', [(255, np.uint8), (256, np.uint16), (65535, np.uint16)]
)
def test_maps_take_the_bits_they_need(tmp_path, high, kind):
    path = str(tmp_path / 'new' / 'map.png')
    labels = np.array([[0, high]])
    write_labels(path, labels)
    assert np.asarray(Image.open(path)).dtype == kind
    assert (read_labels(path) == labels).all()


def test_what_is_no_map_is_refused(tmp_path):
    path = tmp_path / 'rgb.png'
    Image.new('RGB', (2, 2), (9, 0, 0)).save(path)
    with pytest.raises(ValueError, match='no class map'):
        read_labels(str(path))
    with pytest.raises(ValueError, match='labels 0 to 65535'):
        write_labels(str(path), np.array([[70000]]))


def test_colours_of_a_palette_file_are_not_labels(tmp_path):
    """VOC's maps are palette pictures: indices count, not colours."""
    path = tmp_path / 'voc.png'
    picture = Image.fromarray(np.array([[0, 15, 255]], np.uint8), mode='P')
    picture.putpalette([9] * 768)
    picture.save(path)
    assert read_labels(str(path)).tolist() == [[0, 15, 255]]


def test_no_class_is_beyond_the_classes():
    assert [no_class_label(n) for n in (1, 255, 256)] == [255, 255, 65535]


def test_transform_is_registered():
    assert 'LoadOVAnnotations' in TRANSFORMS.module_dict
