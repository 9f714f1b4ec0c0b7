"""No novel annotation reaches training; labels follow the names."""

import json

import pytest
from bad_input import logged
from det_model import BASE, NAMES
from det_world import annotations, write_world
from mmdet.datasets import CocoDataset, LVISV1Dataset, Objects365V1Dataset
from mmdet.registry import DATASETS

from declip_mm.detection import OVCocoDataset, OVVOCDataset
from declip_mm.models.text import class_phrases
from declip_mm.models.text.benchmarks import OV_COCO_NOVEL


def dataset(
    path, test_mode=False, kind='OpenVocabDetDataset', steps=(), **options
):
    given = dict(data_prefix=dict(img=str(path.parent)))
    return DATASETS.build(
        dict(
            type=kind,
            ann_file=str(path),
            test_mode=test_mode,
            filter_cfg=dict(filter_empty_gt=True, min_size=32),
            pipeline=list(steps),
            **dict(given, **options),
        )
    )


def found_names(data):
    names = data.metainfo['classes']
    return [
        names[instance['bbox_label']]
        for index in range(len(data))
        for instance in data.get_data_info(index)['instances']
    ]


@pytest.mark.parametrize('lvis', [False, True], ids=['coco', 'lvis'])
def test_no_novel_annotation_reaches_training(tmp_path, lvis):
    data = dataset(write_world(tmp_path, lvis))
    assert found_names(data) == ['red thing', 'green thing', 'red thing']
    # image 2 has a novel object alone, so it is left out
    ids = [data.get_data_info(i)['img_id'] for i in range(len(data))]
    assert ids == [1, 3]
    assert set(data.metainfo['novel_classes']) == {'blue thing'}


@pytest.mark.parametrize('lvis', [False, True], ids=['coco', 'lvis'])
def test_all_annotations_reach_evaluation(tmp_path, lvis):
    data = dataset(write_world(tmp_path, lvis), test_mode=True)
    assert sorted(found_names(data)) == sorted(
        ['red thing', 'red thing', 'green thing', 'blue thing', 'blue thing']
    )


def test_labels_follow_the_ids_not_the_file(tmp_path):
    """The file lists ids 7, 3, 5."""
    data = dataset(write_world(tmp_path))
    assert data.metainfo['classes'] == (
        'green thing',
        'blue thing',
        'red thing',
    )
    assert data.cat_ids == [3, 5, 7]
    assert data.metainfo['base_classes'] == ('green thing', 'red thing')


def test_given_names_decide_the_order(tmp_path):
    meta = dict(classes=NAMES, novel_classes=NAMES[2:])
    data = dataset(write_world(tmp_path), metainfo=meta)
    assert data.cat_ids == [7, 3, 5]
    assert data.metainfo['base_classes'] == tuple(BASE)
    assert found_names(data) == ['red thing', 'green thing', 'red thing']


def test_wrong_names_are_refused(tmp_path):
    path = write_world(tmp_path)
    with pytest.raises(ValueError, match='no category'):
        dataset(path, metainfo=dict(classes=['cart']))
    with pytest.raises(ValueError, match='not among'):
        dataset(path, metainfo=dict(novel_classes=['cart']))


def test_lvis_finds_pictures_by_url(tmp_path):
    data = dataset(write_world(tmp_path, lvis=True), test_mode=True)
    path = data.get_data_info(0)['img_path']
    assert path == str(tmp_path / 'val2017/1.png')


def test_images_without_objects_may_be_skipped_in_test_mode(tmp_path):
    content = annotations()
    content['annotations'] = content['annotations'][:2]
    path = write_world(tmp_path)
    path.write_text(json.dumps(content))
    assert len(dataset(path, test_mode=True)) == 3
    assert len(dataset(path, test_mode=True, skip_unlabelled=True)) == 1


def coco_file(folder):
    """COCO's 80 categories under their own ids, an object of each."""
    names = CocoDataset.METAINFO['classes']
    images = [
        dict(id=i, file_name=f'{i}.jpg', height=90, width=90)
        for i in range(80)
    ]
    content = dict(
        images=images,
        categories=[dict(id=2 * i + 1, name=n) for i, n in enumerate(names)],
        annotations=[
            dict(
                id=i + 1,
                image_id=i,
                category_id=2 * i + 1,
                bbox=[1, 1, 50, 50],
                area=2500,
                iscrowd=0,
            )
            for i in range(80)
        ],
    )
    for image in images:
        (folder / image['file_name']).touch()
    path = folder / 'instances.json'
    path.write_text(json.dumps(content))
    return path


def test_ov_coco_split(tmp_path):
    path = coco_file(tmp_path)
    train = dataset(path, kind='OVCocoDataset')
    meta = train.metainfo
    assert [
        len(meta[k]) for k in ('classes', 'base_classes', 'novel_classes')
    ] == [65, 48, 17]
    assert not set(found_names(train)) & set(OV_COCO_NOVEL)
    assert len(train) == 48
    test = dataset(
        path, kind='OVCocoDataset', test_mode=True, skip_unlabelled=True
    )
    assert len(test) == 65
    # positions of the novel classes in OV-COCO's 65, as published
    assert [meta['classes'].index(n) for n in meta['novel_classes']] == [
        *(4, 5, 11, 12, 15, 16, 21, 23, 27, 29, 32, 34, 45, 47, 54, 58, 63)
    ]


def test_ov_coco_names_are_mmdets_in_the_same_order():
    theirs = [
        n
        for n in CocoDataset.METAINFO['classes']
        if n in OVCocoDataset.METAINFO['classes']
    ]
    assert theirs == list(OVCocoDataset.METAINFO['classes'])


@pytest.mark.parametrize(
    'names, count',
    [
        (LVISV1Dataset.METAINFO['classes'], 1203),
        (Objects365V1Dataset.METAINFO['classes'], 365),
    ],
)
def test_every_benchmark_name_can_be_embedded(names, count):
    """None is empty, doubled or lost by cleaning."""
    assert len(class_phrases(names)) == count


def test_objects365_trailing_blank_and_order(tmp_path):
    content = annotations()
    content['categories'][0]['name'] = 'tissue '
    path = write_world(tmp_path)
    path.write_text(json.dumps(content))
    data = dataset(path, test_mode=True, metainfo=dict(novel_classes=()))
    # as the file spells it, so that the metric finds it; sorted by id
    assert data.metainfo['classes'][2] == 'tissue '
    assert data.metainfo['base_classes'] == data.metainfo['classes']


def test_voc_names_read_as_words():
    meta = OVVOCDataset.METAINFO
    assert meta['texts']['tvmonitor'] == ('tv monitor',)
    assert set(meta['texts']) <= set(meta['classes'])


def test_lvis_keys_survive(tmp_path):
    path = write_world(tmp_path, lvis=True)
    data = dataset(path, test_mode=True)
    api = data.COCOAPI(str(path))
    assert api.imgs[1]['neg_category_ids'] == [3]
    assert api.imgs[1]['not_exhaustive_category_ids'] == [7]
    assert {c['frequency'] for c in api.cats.values()} == set('rcf')


def test_masks_are_asked_for_where_they_are_loaded(tmp_path):
    content = annotations()
    del content['annotations'][0]['segmentation']
    # a polygon of two points beside a good one
    content['annotations'][3]['segmentation'].append([1, 2, 3, 4])
    path = write_world(tmp_path)
    path.write_text(json.dumps(content))
    assert len(found_names(dataset(path))) == 3
    data = dataset(path, steps=[dict(type='LoadAnnotations', with_mask=True)])
    assert found_names(data) == ['green thing', 'red thing']
    (instance, _) = data.get_data_info(0)['instances']
    assert [len(p) for p in instance['mask']] == [8]


def test_all_missing_pictures_are_found_at_the_start(tmp_path):
    path = write_world(tmp_path)
    for number in (1, 3):
        (tmp_path / f'{number}.png').unlink()
    with pytest.raises(FileNotFoundError, match='2 of 3 .*1.png, 3.png'):
        dataset(path)


def test_small_pictures_are_named(tmp_path):
    content = annotations()
    content['images'][0].update(height=20, width=90)
    path = write_world(tmp_path)
    path.write_text(json.dumps(content))
    with logged() as lines:
        assert len(dataset(path)) == 1
    assert 'min_size=32' in lines[-1] and '1.png' in lines[-1]
    content['images'][2].update(height=20, width=90)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match='none of its 3 pictures is left'):
        dataset(path)


def test_a_test_set_without_annotations_warns(tmp_path):
    content = annotations()
    del content['annotations']
    path = write_world(tmp_path)
    path.write_text(json.dumps(content))
    with logged() as lines:
        assert len(dataset(path, test_mode=True)) == 3
    assert 'Nothing can be measured' in lines[-1]
    with pytest.raises(ValueError, match="no list 'annotations'"):
        dataset(path)


def test_remote_pictures_are_not_looked_for(tmp_path):
    path = write_world(tmp_path)
    data = dataset(path, data_prefix=dict(img='s3://bucket/train/'))
    assert len(data) == 2
