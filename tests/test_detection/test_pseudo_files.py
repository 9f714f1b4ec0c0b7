"""Pseudo labels: their file, base annotations alone, the filter's rules."""

import json

import pytest
import torch
from det_model import BASE
from det_world import annotations, write_world
from mmdet.registry import DATASETS
from pseudo_world import NOVEL

from declip_mm.detection.pseudo.base_only import (
    base_annotations,
    check_base_only,
    read_base_only,
)
from declip_mm.detection.pseudo.filters import FilterRules, filter_proposals
from declip_mm.detection.pseudo.label_file import (
    label_entry,
    read_labels,
    write_labels,
)

LOAD = [
    dict(type='LoadLabelledImage'),
    dict(type='LoadAnnotations', with_bbox=True),
]


def entry(**changes):
    found = dict(label_entry(1, (5, 6, 20, 20), 0.5, 0.25), **changes)
    return {k: v for k, v in found.items() if v is not None}


# ---- the file --------------------------------------------------------------


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / 'pseudo.json'
    write_labels(path, [entry(), entry(image_id=3, weight=None)])
    found = read_labels(path)
    assert found[1] == [entry()]
    assert found[3][0]['weight'] == 1  # as OV-DQUO's reader has it


@pytest.mark.parametrize(
    'changes, said',
    [
        (dict(category_id=7), 'category_id=7; expected -1'),
        (dict(category_id=None), 'no category_id; expected -1'),
        (dict(pseudo=None), 'no pseudo; expected 1'),
        (dict(weight=0), 'weight=0; expected a number above 0'),
        (dict(weight=float('nan')), 'weight=nan'),
        (dict(weight=1.5), 'at most 1'),
        (dict(bbox=[0, 0, 5]), 'four numbers'),
        (dict(bbox=[0, 0, 0, 5]), 'a width and a height above 0'),
        (dict(image_id=None), 'has no image_id'),
    ],
)
def test_bad_entries_are_refused_by_number(tmp_path, changes, said):
    path = tmp_path / 'pseudo.json'
    path.write_text(json.dumps([entry(), entry(**changes)]))
    with pytest.raises(ValueError, match=said) as error:
        read_labels(path)
    assert 'entry 1' in str(error.value)


@pytest.mark.parametrize(
    'text, said', [('{', 'no json file'), ('{}', 'holds a dict')]
)
def test_other_files_are_refused(tmp_path, text, said):
    path = tmp_path / 'pseudo.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        read_labels(path)
    with pytest.raises(FileNotFoundError, match='does not exist'):
        read_labels(tmp_path / 'none.json')


# ---- in a data set ---------------------------------------------------------


def dataset(path, entries=None, steps=(), pack='PackOVDetInputs', **options):
    kind = options.pop('type', 'OpenVocabDetDataset')
    pseudo = None
    if entries is not None:
        pseudo = path.parent / 'pseudo.json'
        write_labels(pseudo, entries)
    given = dict(
        type=kind,
        ann_file=str(path),
        data_prefix=dict(img=str(path.parent)),
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=[*LOAD, *steps, dict(type=pack)],
    )
    if pseudo:
        given['pseudo_file'] = str(pseudo)
    return DATASETS.build(dict(given, **options))


def test_pseudo_objects_stand_beside_annotated_ones(tmp_path):
    data = dataset(
        write_world(tmp_path),
        [entry(weight=0.3), entry(image_id=3, weight=0.7)],
    )
    found = data[0]['data_samples'].gt_instances  # of image 1
    red = data.metainfo['classes'].index('red thing')
    assert found.labels.tolist() == [red, -1]
    assert found.fg_weights.tolist() == pytest.approx([1, 0.3])
    assert found.bboxes.tensor[1].tolist() == [5, 6, 25, 26]


def test_without_labels_every_weight_is_1(tmp_path):
    found = dataset(write_world(tmp_path))[1]['data_samples'].gt_instances
    assert found.fg_weights.tolist() == [1, 1]
    assert (found.labels >= 0).all()


def test_a_crop_keeps_weights_with_their_boxes(tmp_path):
    """Acceptance test 6 of the specification."""
    boxes = [(x, y, 12, 12) for x in (0, 30, 60, 80) for y in (0, 30, 60)]
    entries = [
        entry(bbox=list(map(float, box)), weight=round(0.05 * (n + 1), 2))
        for n, box in enumerate(boxes)
    ]
    crop = dict(
        type='RandomCrop',
        crop_size=(40, 40),
        recompute_bbox=False,
        bbox_clip_border=False,
        allow_negative_crop=True,
    )
    data = dataset(write_world(tmp_path), entries, [crop])
    seen = set()
    for _ in range(20):
        sample = data.prepare_data(0)['data_samples']
        found = sample.gt_instances
        pseudo = found.labels == -1
        if not pseudo.any():
            continue
        kept = found.bboxes.tensor[pseudo]
        weights = found.fg_weights[pseudo]
        # boxes were moved by the crop's corner, all alike
        first = round(float(weights[0]) / 0.05) - 1
        corner = torch.tensor(boxes[first][:2]) - kept[0, :2]
        for box, weight in zip(kept, weights):
            number = round(float(weight) / 0.05) - 1
            place = torch.tensor(boxes[number][:2]).float()
            assert torch.allclose(box[:2] + corner, place)
            seen.add(number)
        assert (found.fg_weights[~pseudo] == 1).all()
    assert len(seen) > 3


@pytest.mark.parametrize(
    'options, said',
    [
        (dict(test_mode=True), 'in test mode'),
        (dict(pack='PackDetInputs'), 'ends in PackOVDetInputs'),
    ],
)
def test_where_pseudo_objects_would_be_a_class_they_are_refused(
    tmp_path, options, said
):
    with pytest.raises(ValueError, match=said):
        dataset(write_world(tmp_path), [entry()], **options)


def test_labels_of_other_pictures_are_refused(tmp_path):
    with pytest.raises(ValueError, match='does not list, such as 9'):
        dataset(write_world(tmp_path), [entry(image_id=9)])


# ---- base annotations alone ------------------------------------------------


@pytest.mark.parametrize('lvis', [False, True], ids=['coco', 'lvis'])
def test_a_file_with_novel_annotations_is_refused_by_class(tmp_path, lvis):
    path = write_world(tmp_path, lvis)
    with pytest.raises(ValueError, match=rf'1 novel classes: {NOVEL} \(2\)'):
        read_base_only(path)
    for test_mode in (False, True):
        with pytest.raises(ValueError, match=NOVEL):
            dataset(path, type='BaseOnlyDetDataset', test_mode=test_mode)


def test_a_file_that_marks_no_class_as_novel_is_refused():
    content = annotations()
    for category in content['categories']:
        category.pop('novel')
    with pytest.raises(ValueError, match='marks none of its 3 categories'):
        check_base_only('some.json', content)


def test_base_annotations_have_nothing_of_novel_ones():
    found = base_annotations(annotations(), {NOVEL})
    names = {c['id']: c['name'] for c in found['categories']}
    shown = [names[n['category_id']] for n in found['annotations']]
    assert sorted(set(shown)) == sorted(BASE) and len(shown) == 3
    # image 2 has a novel object alone
    assert [i['id'] for i in found['images']] == [1, 3]
    assert not any('segmentation' in n for n in found['annotations'])
    check_base_only('found.json', found)


# ---- the filter ------------------------------------------------------------

LOOSE = FilterRules(
    min_area=0, max_cover=1, max_aspect=100, nms=1, max_iou_base=1, keep=1
)


def base(*boxes):
    return dict(
        images=[dict(id=1, height=100, width=100)],
        annotations=[dict(image_id=1, bbox=list(b)) for b in boxes],
    )


def kept(rows, known=(), **rules):
    given = FilterRules(**{**vars(LOOSE), **rules})
    found, gone = filter_proposals({1: rows}, base(*known), given)
    return [e['bbox'][:2] for e in found], gone


BOX = [10.0, 10.0, 30.0, 30.0, 0.9]


@pytest.mark.parametrize(
    'other, rule, value',
    [
        ([50, 50, 10, 10, 0.8], 'min_area', 200),
        ([0, 0, 100, 99, 0.8], 'max_cover', 0.98),
        ([50, 0, 10, 60, 0.8], 'max_aspect', 4),
        ([12, 10, 30, 30, 0.8], 'nms', 0.3),
    ],
)
def test_each_rule_takes_what_it_says(other, rule, value):
    rows = [BOX, list(map(float, other))]
    assert len(kept(rows)[0]) == 2
    left, gone = kept(rows, **{rule: value})
    assert left == [[10, 10]] and gone[rule] == 1


def test_boxes_on_base_objects_are_no_unknown_ones():
    rows = [BOX, [60.0, 60, 30, 30, 0.8]]
    left, gone = kept(rows, [[62, 62, 30, 30]], max_iou_base=0.3)
    assert left == [[10, 10]] and gone['max_iou_base'] == 1


def test_the_best_of_a_picture_and_of_all_stay():
    rows = [[10.0 * n, 0, 10, 10, n / 10] for n in range(1, 9)]
    assert kept(rows, per_image=3)[0] == [[80, 0], [70, 0], [60, 0]]
    left, gone = kept(rows, keep=0.25)
    assert left == [[80, 0], [70, 0]] and gone['keep'] == 6


@pytest.mark.parametrize(
    'rule, value',
    [('keep', 0), ('nms', 1.5), ('max_aspect', 0.5), ('per_image', 0)],
)
def test_rules_out_of_range_are_refused(rule, value):
    with pytest.raises(ValueError, match=f'{rule}='):
        FilterRules(**{rule: value})


def test_a_picture_without_proposals_has_no_label():
    assert filter_proposals({}, base(), LOOSE)[0] == []
